"""The outbox: what the cloud still has to hear, in order for each device, kept until the cloud has taken it.

Two lanes, since answers need not wait for slow HTTP: `mqtt` and `rest`. Rows are on disk; the head of each lane is in
memory too, so that a row that is sent at once is never read back. What is in flight is known in memory alone: after a
restart everything that the cloud has not confirmed is waiting again.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from gatewayd.model.outgoing import AnswerDue, Due, NoticeDue, RecordDue
from gatewayd.model.words import Uuid
from gatewayd.store.database import Database

HEAD: Final = 500
"""Rows of a lane that are kept in memory; the rest waits on disk."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Due).decode


class Lane(StrEnum):
    """How a row travels."""

    MQTT = "mqtt"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the cloud has to hear. `id` gives the order."""

    id: int
    due: Due
    created_at: datetime
    attempts: int = 0

    @property
    def lane(self) -> Lane:
        """The lane that this kind of word travels on."""
        return Lane.MQTT if isinstance(self.due, AnswerDue | NoticeDue) else Lane.REST


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What the cloud will never take, and why."""

    id: int
    due: Due
    reason: str


class _Head:
    """The part of a lane that is in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.in_flight: set[int] = set()
        self.put_off: dict[int, float] = {}  # id: the loop's time at which it may go again
        self.more_on_disk = True
        self.loading = False
        self.last_id = 0
        self.news = asyncio.Event()

    def append(self, row: Row) -> None:
        if self.loading or self.more_on_disk or len(self.rows) >= HEAD:
            self.more_on_disk = True
        else:
            self.rows[row.id] = row
            self.last_id = row.id
        self.news.set()

    def forget(self, id: int) -> Row | None:
        self.in_flight.discard(id)
        self.put_off.pop(id, None)
        self.news.set()
        return self.rows.pop(id, None)

    def ready(self, now: float, limit: int, *, heads_only: bool) -> list[Row]:
        """What may go now: for one device nothing before what stands in front of it."""
        blocked: set[Uuid] = set()
        ready: list[Row] = []
        for row in self.rows.values():
            uuid = row.due.uuid
            if uuid in blocked:
                continue
            if row.id in self.in_flight or self.put_off.get(row.id, 0) > now:
                blocked.add(uuid)
                continue
            ready.append(row)
            if heads_only:
                blocked.add(uuid)
            if len(ready) >= limit:
                break
        return ready

    def next_wake(self) -> float | None:
        return min(self.put_off.values(), default=None)


class Outbox:
    """Both lanes."""

    def __init__(self, database: Database, now: Callable[[], datetime], next_id: int) -> None:
        self._database = database
        self._now = now
        self._next_id = next_id
        self._heads = {lane: _Head() for lane in Lane}
        self._waiting_records: set[Uuid] = set()  # devices of which a RecordDue waits and is not in flight

    @staticmethod
    def load(connection: sqlite3.Connection) -> tuple[int, set[Uuid]]:
        """The next free id, and the devices whose RecordDue waits."""
        (last,) = connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'"
        ).fetchone()
        waiting = {uuid for (uuid,) in connection.execute("SELECT uuid FROM outbox WHERE kind = 'record'")}
        return last + 1, waiting

    @classmethod
    async def open(cls, database: Database, now: Callable[[], datetime]) -> "Outbox":
        """The outbox as the last run left it: nothing in flight."""
        next_id, waiting = await database.read(cls.load)
        outbox = cls(database, now, next_id)
        outbox._waiting_records = waiting
        return outbox

    async def add(self, *due: Due) -> None:
        """Keep `due`; on disk when this returns."""
        rows = self.prepare(due)
        await self._database.write(lambda connection: self.insert(connection, rows), then=lambda: self.inserted(rows))

    def prepare(self, due: Iterable[Due]) -> tuple[Row, ...]:
        """Rows for `due`, in order, for somebody's own transaction: `insert` in it, `inserted` after it."""
        rows = []
        for word in due:
            if isinstance(word, RecordDue):
                if word.uuid in self._waiting_records:
                    continue
                self._waiting_records.add(word.uuid)
            rows.append(Row(self._next_id, word, self._now()))
            self._next_id += 1
        return tuple(rows)

    @staticmethod
    def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Part of a transaction: put `rows` on disk."""
        connection.executemany(
            "INSERT INTO outbox (id, lane, kind, uuid, due, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (row.id, row.lane, kind_of(row.due), row.due.uuid, _encode(row.due), row.created_at.timestamp())
                for row in rows
            ],
        )

    def inserted(self, rows: Sequence[Row]) -> None:
        """`rows` are committed: they may go."""
        for row in rows:
            self._heads[row.lane].append(row)

    def not_inserted(self, rows: Sequence[Row]) -> None:
        """The transaction of `rows` failed."""
        self._waiting_records.difference_update(row.due.uuid for row in rows if isinstance(row.due, RecordDue))

    async def take(self, lane: Lane | str, limit: int = 100) -> tuple[Row, ...]:
        """The next rows to send, marked as in flight; waits for the first.

        For one device they come in order, and none while an earlier one is in flight or put off; on the REST lane one
        row a device at a time.
        """
        lane = Lane(lane)
        head = self._heads[lane]
        clock = asyncio.get_running_loop().time
        while True:
            head.news.clear()
            if head.more_on_disk and len(head.rows) - len(head.in_flight) < HEAD // 2:
                await self._refill(lane, head)
            if rows := head.ready(clock(), limit, heads_only=lane is Lane.REST):
                break
            wake = head.next_wake()
            try:
                async with asyncio.timeout_at(wake):
                    await head.news.wait()
            except TimeoutError:
                head.put_off = {id: at for id, at in head.put_off.items() if at > clock()}
        for row in rows:
            head.in_flight.add(row.id)
            if isinstance(row.due, RecordDue):
                self._waiting_records.discard(row.due.uuid)
        return tuple(rows)

    async def done(self, *ids: int) -> None:
        """The cloud has taken them."""
        await self._delete(ids)

    def release(self, *ids: int) -> None:
        """The line broke before the cloud took them: they wait again, in their order."""
        for head in self._heads.values():
            for id in head.in_flight.intersection(ids):
                head.in_flight.discard(id)
                self._wait_again(head.rows[id])
            head.news.set()

    async def put_off(self, id: int, reason: str, until: datetime) -> None:
        """The cloud may take it later: it waits until then, and what stands behind it for the same device with it."""
        head, row = self._find(id)
        delay = (until - self._now()).total_seconds()
        head.rows[id] = replace(row, attempts=row.attempts + 1)
        head.put_off[id] = asyncio.get_running_loop().time() + max(0.0, delay)
        head.in_flight.discard(id)
        self._wait_again(row)
        head.news.set()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", (id,))

        await self._database.write(work, durable=False)

    async def bury(self, id: int, reason: str) -> None:
        """The cloud will never take it: kept with its reason, in nobody's way."""
        _, row = self._find(id)
        letter = (id, row.due.uuid, _encode(row.due), row.created_at.timestamp(), self._now().timestamp(), reason)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO dead_letter VALUES (?, ?, ?, ?, ?, ?)", letter)
            connection.execute("DELETE FROM outbox WHERE id = ?", (id,))

        await self._database.write(work, then=lambda: self._forget((id,)))

    async def depth(self) -> dict[Lane, int]:
        """How many rows each lane holds, in flight or not."""

        def count(connection: sqlite3.Connection) -> dict[Lane, int]:
            counted: dict[str, int] = dict(
                connection.execute("SELECT lane, count(*) FROM outbox GROUP BY lane").fetchall()
            )
            return {lane: counted.get(lane, 0) for lane in Lane}

        return await self._database.read(count)

    async def rows(self, limit: int = 100) -> tuple[Row, ...]:
        """The oldest rows of both lanes, for people."""
        return await self._database.read(lambda connection: tuple(_select(connection, "1", (), limit)))

    async def dead_letters(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """What was buried, newest first."""

        def select(connection: sqlite3.Connection) -> tuple[DeadLetter, ...]:
            found = connection.execute("SELECT id, due, reason FROM dead_letter ORDER BY id DESC LIMIT ?", (limit,))
            return tuple(DeadLetter(id, _decode(due), reason) for id, due, reason in found)

        return await self._database.read(select)

    async def drop_answers(self, before: datetime) -> int:
        """Drop answers from `before`: no phone waits for them any more. Returns how many."""
        stale = [
            id
            for id, row in self._heads[Lane.MQTT].rows.items()
            if isinstance(row.due, AnswerDue) and row.created_at < before
        ]

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM outbox WHERE kind = 'answer' AND created_at < ?", (before.timestamp(),)
            ).rowcount

        return await self._database.write(work, durable=False, then=lambda: self._forget(stale))

    async def _delete(self, ids: Sequence[int]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(id,) for id in ids])

        # Not durable: what comes back after a power cut is sent twice at the worst, under the same name (`sn`).
        await self._database.write(work, durable=False, then=lambda: self._forget(ids))

    def _forget(self, ids: Iterable[int]) -> None:
        for id in ids:
            for head in self._heads.values():
                head.forget(id)

    def _wait_again(self, row: Row) -> None:
        if isinstance(row.due, RecordDue):
            self._waiting_records.add(row.due.uuid)

    def _find(self, id: int) -> tuple[_Head, Row]:
        for head in self._heads.values():
            if id in head.rows:
                return head, head.rows[id]
        raise KeyError(id)

    async def _refill(self, lane: Lane, head: _Head) -> None:
        room = HEAD - len(head.rows)
        head.loading, head.more_on_disk = True, False
        try:
            rows = await self._database.read(
                lambda connection: list(_select(connection, "lane = ? AND id > ?", (lane, head.last_id), room + 1))
            )
        except BaseException:
            head.more_on_disk = True
            raise
        finally:
            head.loading = False
        # What was inserted meanwhile has set it as well.
        head.more_on_disk = head.more_on_disk or len(rows) > room
        for row in rows[:room]:
            head.rows[row.id] = row
            head.last_id = row.id


def kind_of(due: Due) -> str:
    """The word's tag."""
    tag = type(due).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _select(connection: sqlite3.Connection, where: str, values: tuple[Any, ...], limit: int) -> Iterable[Row]:
    found = connection.execute(
        f"SELECT id, due, created_at, attempts FROM outbox WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608  (ours)
        (*values, limit),
    )
    for id, due, created_at, attempts in found:
        yield Row(id, _decode(due), datetime.fromtimestamp(created_at).astimezone(), attempts)
