"""What the cloud still has to hear, kept until it has said that it took it; in order for each device.

Two lanes: "mqtt" (answers, notices) and "rest" (records, removals, messages). How a word is sent is cloud/'s business.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError, StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import AnswerItem, MessageItem, NoticeItem, OutboxItem, RecordItem, RemovalItem
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Write, from_ms, to_ms
from gatewayd.store.outbox_queue import OutboxQueue, QueuedRow, RowState

log = structlog.get_logger(__name__)


class Route(StrEnum):
    """How a word travels."""

    MQTT = "mqtt"
    REST = "rest"


_LANE_OF: Final[dict[str, Route]] = {
    "answer": Route.MQTT,
    "notice": Route.MQTT,
    "record": Route.REST,
    "removal": Route.REST,
    "message": Route.REST,
}
_KIND_OF: Final[dict[type, str]] = {
    AnswerItem: "answer",
    NoticeItem: "notice",
    RecordItem: "record",
    RemovalItem: "removal",
    MessageItem: "message",
}
_ANSWER_LIFE: Final = timedelta(hours=1)  # then the phone has long stopped waiting
_BODIES_IN_MEMORY: Final = 1000  # rows; what is above is read from disk when its turn comes
_DEAD_LETTERS: Final = 1000  # kept, the newest

_INSERT: Final = "INSERT OR IGNORE INTO outbox (id, kind, uuid, body, created_at) VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM outbox WHERE id = ?"
_FORGET: Final = "DELETE FROM dead_letter WHERE id = ?"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A word on its way. `recovered`: it waited before this start too, so it may have been sent already."""

    id: int
    due: OutboxItem
    created_at: datetime
    attempts: int
    recovered: bool = False

    @property
    def lane(self) -> Route:
        """How it travels."""
        return _LANE_OF[_KIND_OF[type(self.due)]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A word that the cloud will never take, and why; `due` is None where its row was damaged."""

    id: int
    due: OutboxItem | None
    reason: str
    created_at: datetime
    failed_at: datetime
    attempts: int


class DeadLetterNotFoundError(GatewayError):
    """No dead letter of that id is kept, or none that can be read."""


class Outbox:
    """The rows that wait. `limit` bounds the MQTT lane: above it, answers that nobody waits for any more are dropped.

    Notices and messages are never dropped; a device has at most one waiting record.
    """

    def __init__(
        self,
        database: Database,
        codec: Codec,
        now: Callable[[], datetime],
        *,
        limit: int = 10_000,
    ) -> None:
        self._database = database
        self._codec = codec
        self._now = now
        self.limit = limit
        self._next_id = 1
        self._lanes: dict[Route, OutboxQueue] = {
            Route.MQTT: OutboxQueue(heads_only=False),
            Route.REST: OutboxQueue(heads_only=True),
        }
        self._stirred: dict[Route, asyncio.Event] = {lane: asyncio.Event() for lane in Route}

    async def load(self) -> None:
        """Take up what waited when the gateway went down."""
        rows = await self._database.read(
            lambda raw: raw.execute("SELECT id, kind, uuid, created_at, attempts FROM outbox ORDER BY id").fetchall()
        )
        for id_, kind, uuid, created_at, attempts in rows:
            entry = QueuedRow(id_, kind, uuid, from_ms(created_at), None, RowState.WAITING, attempts, recovered=True)
            self._next_id = id_ + 1
            if kind == "record" and self._lanes[Route.REST].coalescing(uuid):
                self._database.write_later(_DELETE, id_)
            else:
                self._lane(entry).add(entry)
        buried = await self._database.read(lambda raw: raw.execute("SELECT max(id) FROM dead_letter").fetchone())
        self._next_id = max(self._next_id, (buried[0] or 0) + 1)

    async def add(self, *due: OutboxItem) -> None:
        """Durable when it returns. Raises StoreError, and then none of `due` waits."""
        write = Write()
        self.stage(write, *due)
        await self._database.commit(write)

    def stage(self, write: Write, *due: OutboxItem) -> None:
        """Make the rows of `due` part of `write`; they can be taken once it stands."""
        for one in due:
            self._stage(write, one)

    async def take(self, lane: Route | str, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Wait for rows that may go and mark them as in flight, in the order of their ids, at most `limit`.

        A device's row never comes while an earlier one of its lane is in flight or put off. On "rest" a device has one
        row in flight; on "mqtt" several may come in one take. A row stays in flight until `done`, `release`, `postpone`
        or `dead_letter` is called for it.
        """
        while True:
            entries = await self._await_ready(Route(lane), limit)
            for entry in entries:
                entry.state = RowState.IN_FLIGHT
            try:
                await self._read_bodies(entries)
            except BaseException:
                self.release(*(entry.id for entry in entries))
                raise
            if rows := tuple(_row(entry, entry.due) for entry in entries if entry.due is not None):
                return rows

    async def done(self, *ids: int) -> None:
        """The cloud has taken them. A record's row goes with the next write: to send it again does no harm."""
        entries = self._found(ids)
        for entry in entries:
            self._drop(entry)
        if any(entry.kind != "record" for entry in entries):
            await self._write_rest("outbox_row_kept_on_disk")

    def release(self, *ids: int) -> None:
        """The line broke: they wait again, where they were."""
        for entry in self._found(ids):
            self._wait_again(entry)

    def release_all(self, lane: Route | str) -> None:
        """The same for everything that is in flight on `lane`."""
        self.release(*(entry.id for entry in self._lanes[Route(lane)] if entry.state is RowState.IN_FLIGHT))

    async def postpone(self, id: int, reason: str, until: datetime) -> None:
        """It failed for now: it waits until then, and its device's later rows with it; one attempt more.

        What counts is how long from now; a clock that is set meanwhile changes nothing. A restart ends the waiting.
        """
        for entry in self._found((id,)):
            entry.attempts += 1
            delay_s = self._delay(entry, until)
            self._database.write_later("UPDATE outbox SET attempts = ? WHERE id = ?", entry.attempts, id)
            log.info("outbox_row_put_off", id=id, kind=entry.kind, uuid=entry.uuid, reason=reason, delay_s=delay_s)

    def delay(self, id: int, until: datetime) -> None:
        """It is early: it waits until then, and nothing is held against it."""
        for entry in self._found((id,)):
            self._delay(entry, until)

    def retry_now(self, lane: Route | str) -> None:
        """What was put off on `lane` may go now: the reason why is gone."""
        for entry in self._lanes[Route(lane)]:
            entry.not_before = 0.0
        self._stirred[Route(lane)].set()

    async def dead_letter(self, id: int, reason: str) -> None:
        """The cloud will never take it: kept as a dead letter with its reason, out of its device's way.

        A record is due with every reading: the same refusal of it is kept, and written, once.
        """
        for entry in self._found((id,)):
            if entry.kind == "record" and await self._is_dead_lettered(entry, reason):
                self._drop(entry)
                continue
            self._database.write_later(
                "INSERT OR IGNORE INTO dead_letter"
                " SELECT id, kind, uuid, body, created_at, ?, ?, ? FROM outbox WHERE id = ?",
                *(entry.attempts, reason, to_ms(self._now()), id),
            )
            self._database.write_later(
                "DELETE FROM dead_letter WHERE id <= (SELECT id FROM dead_letter ORDER BY id DESC LIMIT 1 OFFSET ?)",
                _DEAD_LETTERS,
            )
            self._drop(entry)
            log.error("outbox_row_buried", id=id, kind=entry.kind, uuid=entry.uuid, reason=reason)
            await self._write_rest("dead_letter_kept_in_memory")

    async def depth(self) -> dict[Route, int]:
        """How many rows each lane has, in flight or not."""
        return {lane: len(queue) for lane, queue in self._lanes.items()}

    async def rows(self, limit: int = 100) -> tuple[OutboxRow, ...]:
        """The oldest rows of both lanes, for people to look at."""
        entries = sorted((entry for queue in self._lanes.values() for entry in queue), key=lambda entry: entry.id)
        shown = [entry for entry in entries if entry.state is not RowState.WRITING][:limit]
        bodies = await self._bodies(entry.id for entry in shown if entry.due is None)
        words = [(entry, entry.due or self._readable(bodies.get(entry.id, b""))) for entry in shown]
        return tuple(_row(entry, due) for entry, due in words if due is not None)

    async def requeue(self, id: int) -> Uuid:
        """A dead letter waits again, as its device's last word; whose. Raises NoSuchLetterError, StoreError."""
        due = self._readable(await self._dead_body(id))
        if due is None:
            raise DeadLetterNotFoundError(f"dead letter {id} is damaged: it can only be discarded")
        write = Write()
        self.stage(write, due)
        write.add(_FORGET, id)
        await self._database.commit(write)
        log.info("dead_letter_revived", id=id, uuid=due.uuid)
        return due.uuid

    async def discard(self, id: int) -> None:
        """A dead letter is forgotten. Raises NoSuchLetterError, StoreError."""
        await self._dead_body(id)
        write = Write()
        write.add(_FORGET, id)
        await self._database.commit(write)
        log.info("dead_letter_discarded", id=id)

    async def dead_letters(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first."""
        found = await self._database.read(
            lambda raw: raw.execute(
                "SELECT id, body, created_at, attempts, reason, buried_at FROM dead_letter ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return tuple(
            DeadLetter(id_, self._readable(body), reason, from_ms(created), from_ms(buried), attempts)
            for id_, body, created, attempts, reason, buried in found
        )

    def drop_stale_answers(self) -> None:
        """Drop the answers that nobody waits for any more."""
        oldest = self._now() - _ANSWER_LIFE
        stale = [
            entry
            for entry in self._lanes[Route.MQTT]
            if entry.kind == "answer" and entry.state is RowState.WAITING and entry.created_at < oldest
        ]
        for entry in stale:
            self._drop(entry)
        if stale:
            log.warning("stale_answers_dropped", count=len(stale))

    # ---- inside

    def _lane(self, entry: QueuedRow) -> OutboxQueue:
        return self._lanes[_LANE_OF[entry.kind]]

    async def _is_dead_lettered(self, entry: QueuedRow, reason: str) -> bool:
        query = "SELECT 1 FROM dead_letter WHERE kind = ? AND uuid = ? AND reason = ?"
        values = (entry.kind, entry.uuid, reason)
        return await self._database.read(lambda raw: raw.execute(query, values).fetchone()) is not None

    async def _dead_body(self, id: int) -> bytes:
        query = "SELECT body FROM dead_letter WHERE id = ?"
        found = await self._database.read(lambda raw: raw.execute(query, (id,)).fetchone())
        if found is None:
            raise DeadLetterNotFoundError(f"there is no dead letter {id}")
        return bytes(found[0])

    def _readable(self, body: bytes) -> OutboxItem | None:
        try:
            return self._codec.decode_due(body)
        except StoreError:
            return None

    def _delay(self, entry: QueuedRow, until: datetime) -> float:
        delay_s = max(0.0, (until - self._now()).total_seconds())
        entry.not_before = asyncio.get_running_loop().time() + delay_s
        self._wait_again(entry)
        return delay_s

    def _stir(self, entry: QueuedRow) -> None:
        self._stirred[_LANE_OF[entry.kind]].set()

    def _stage(self, write: Write, due: OutboxItem) -> None:
        entry = self._entry_for(due)
        # The insertion of a row that already waits is repeated, and ignored: if the first one fails, this one stands.
        body = self._codec.encode_due(due)
        write.add(_INSERT, entry.id, entry.kind, entry.uuid, body, to_ms(entry.created_at))
        write.on_commit.append(partial(self._written, entry))
        write.on_failure.append(partial(self._unwritten, entry))

    def _entry_for(self, due: OutboxItem) -> QueuedRow:
        kind = _KIND_OF[type(due)]
        lane = self._lanes[_LANE_OF[kind]]
        if kind == "record" and (waiting := lane.coalescing(due.uuid)):
            return waiting
        if kind == "answer" and len(lane) >= self.limit:
            self.drop_stale_answers()
        in_memory = len(lane) < _BODIES_IN_MEMORY
        entry = QueuedRow(self._next_id, kind, due.uuid, self._now(), due if in_memory else None, RowState.WRITING)
        self._next_id += 1
        lane.add(entry)
        return entry

    def _written(self, entry: QueuedRow) -> None:
        lane = self._lane(entry)
        if lane.get(entry.id) is None and entry.state is RowState.WRITING:
            lane.add(entry)  # an earlier write of the same row had failed
        if entry.state is RowState.WRITING:
            entry.state = RowState.WAITING
            self._stir(entry)

    def _unwritten(self, entry: QueuedRow) -> None:
        if entry.state is RowState.WRITING and self._lane(entry).get(entry.id):
            self._lane(entry).remove(entry)

    def _found(self, ids: Iterable[int]) -> list[QueuedRow]:
        """The rows in flight of these ids; one that is not (a late word of a broken line) is passed over."""
        found = (queue.get(id_) for id_ in ids for queue in self._lanes.values())
        return [entry for entry in found if entry is not None and entry.state is RowState.IN_FLIGHT]

    def _drop(self, entry: QueuedRow) -> None:
        self._lane(entry).remove(entry)
        self._database.write_later(_DELETE, entry.id)
        self._stir(entry)

    def _wait_again(self, entry: QueuedRow) -> None:
        if entry.kind == "record" and (repetition := self._lane(entry).repetition_of(entry)):
            self._drop(repetition)  # the record is read when it is sent: one row is enough
        entry.state = RowState.WAITING
        self._stir(entry)

    async def _await_ready(self, lane: Route, limit: int) -> list[QueuedRow]:
        clock = asyncio.get_running_loop().time
        queue, stirred = self._lanes[lane], self._stirred[lane]
        while True:
            stirred.clear()
            if entries := queue.ready(clock(), limit):
                return entries
            try:
                async with asyncio.timeout_at(queue.next_retry(clock())):
                    await stirred.wait()
            except TimeoutError:
                continue  # what was put off may go

    async def _read_bodies(self, entries: list[QueuedRow]) -> None:
        absent = [entry for entry in entries if entry.due is None]
        bodies = await self._bodies(entry.id for entry in absent)
        for entry in absent:
            try:
                entry.due = self._codec.decode_due(bodies[entry.id])
            except (StoreError, KeyError) as error:
                await self.dead_letter(entry.id, f"its row is damaged: {error}")

    async def _bodies(self, ids: Iterable[int]) -> dict[int, bytes]:
        wanted = tuple(ids)
        if not wanted:
            return {}
        query = f"SELECT id, body FROM outbox WHERE id IN ({','.join('?' * len(wanted))})"  # noqa: S608  # marks alone
        return dict(await self._database.read(lambda raw: raw.execute(query, wanted).fetchall()))

    async def _write_rest(self, unwritten: str) -> None:
        """Write what waits to be written. A disk that refuses is no news to the caller: it is tried again later."""
        try:
            await self._database.commit(Write(), durable=False)
        except StoreError as error:
            log.warning(unwritten, reason=str(error))


def _row(entry: QueuedRow, due: OutboxItem) -> OutboxRow:
    return OutboxRow(entry.id, due, entry.created_at, entry.attempts, entry.recovered)
