"""The outbox: what still has to be sent to the cloud, on disk until the cloud has accepted it, in order per device.

Which items may be sent is decided in `outbox_queue`. How they are sent is left to cloud/mqtt and cloud/delivery.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError, StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import ITEM_TYPES, OutboxItem, Route
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Transaction, from_ms, to_ms
from gatewayd.store.outbox_queue import EntryState, OutboxQueue, QueueEntry

log = structlog.get_logger(__name__)

_MAX_IN_MEMORY: Final = 1000  # items of a route; above that a body is read from disk when it is to be sent
_MAX_DEAD_LETTERS: Final = 1000  # the newest are kept
_MAX_REST_PER_DEVICE: Final = 25  # in flight: a burst of door openings is one batch, with room for other devices

_REWRITTEN_AT_ONCE: Final = 200

_INSERT: Final = "INSERT OR IGNORE INTO outbox (id, kind, uuid, body, created_at) VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM outbox WHERE id = ?"
_DELETE_DEAD: Final = "DELETE FROM dead_letter WHERE id = ?"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An item that was taken to be sent.

    `attempts` counts those that failed. `maybe_sent` is True where the cloud may have it already: it was in the outbox
    before this start, or `mark_maybe_sent` was called for it.
    """

    id: int
    item: OutboxItem
    created_at: datetime
    attempts: int
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that the cloud will never accept, and why; `item` is None where its row cannot be read."""

    id: int
    item: OutboxItem | None
    reason: str
    created_at: datetime
    failed_at: datetime
    attempts: int


class DeadLetterNotFoundError(GatewayError):
    """There is no dead letter of that id, or none that can be read."""


class Outbox:
    """The items that wait or are in flight.

    `limit` bounds each queue for items that have a lifetime: above it, those that have outlived it are dropped. No
    other item is ever dropped. Of a coalescing kind, at most one item of a device waits.
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
        self._queues: dict[Route, OutboxQueue] = {
            Route.MQTT: OutboxQueue(keeps_order_itself=True),
            Route.REST: OutboxQueue(max_per_device=_MAX_REST_PER_DEVICE),
        }
        self._wake: dict[Route, asyncio.Event] = {route: asyncio.Event() for route in Route}

    async def load(self) -> None:
        """Read what was in the outbox when the gateway stopped."""
        rows = await self._database.read(
            lambda raw: raw.execute("SELECT id, kind, uuid, created_at, attempts FROM outbox ORDER BY id").fetchall()
        )
        for id_, kind, uuid, created_at, attempts in rows:
            if (item_type := ITEM_TYPES.get(kind)) is None:
                self._defer_dead_letter(id_, attempts, f"another version of gatewayd wrote it: a {kind}")
                self._database.defer(_DELETE, id_)
                self._next_id = id_ + 1
                log.error("outbox_row_unknown", id=id_, kind=kind, uuid=uuid)
                continue
            queue = self._queues[item_type.route]
            self._next_id = id_ + 1
            if queue.find_coalescing(uuid, item_type):
                self._database.defer(_DELETE, id_)
            else:
                created = from_ms(created_at)
                queue.add(
                    QueueEntry(id_, item_type, uuid, created, None, EntryState.WAITING, attempts, maybe_sent=True)
                )
        (last_dead,) = await self._database.read(lambda raw: raw.execute("SELECT max(id) FROM dead_letter").fetchone())
        self._next_id = max(self._next_id, (last_dead or 0) + 1)

    async def add(self, *items: OutboxItem) -> None:
        """Add `items`; they are on disk when this returns. Raises StoreError, and then none of them is added."""
        transaction = Transaction()
        self.stage(transaction, *items)
        await self._database.commit(transaction)

    def stage(self, transaction: Transaction, *items: OutboxItem) -> None:
        """Make the rows of `items` part of `transaction`; they can be taken once it is committed."""
        for item in items:
            self._stage(transaction, item)

    async def take(self, route: Route, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Wait for items that may be sent, mark them as in flight and return them in the order of their ids.

        Returns 1 … `limit` of them. An item is not returned while an earlier one of its device and route is in flight
        or postponed, except as `OutboxQueue` says. It is in flight until `done`, `release`, `postpone`, `delay` or
        `dead_letter` is called for it.
        """
        while True:
            entries = await self._await_ready(route, limit)
            for entry in entries:
                entry.state = EntryState.IN_FLIGHT
            try:
                await self._read_items(entries)
            except BaseException:
                self.release(*(entry.id for entry in entries))
                raise
            if rows := tuple(_row(entry, entry.item) for entry in entries if entry.item is not None):
                return rows

    async def done(self, *ids: int) -> None:
        """The cloud has accepted them: delete them.

        Where all of them coalesce, the rows are deleted with the next transaction: to send them again does no harm.
        """
        entries = self._in_flight(ids)
        for entry in entries:
            self._drop(entry)
        if not all(entry.item_type.coalesces for entry in entries):
            await self._write_deferred("outbox_row_not_deleted")

    def release(self, *ids: int) -> None:
        """They were not sent (the connection broke): they wait again, at their former place."""
        for entry in self._in_flight(ids):
            self._requeue(entry)

    def mark_maybe_sent(self, id: int) -> None:
        """Remember, until the next restart makes it true of every item, that the cloud may have this one."""
        for entry in self._in_flight((id,)):
            entry.maybe_sent = True

    def postpone(self, id: int, pause_s: float, reason: str) -> None:
        """An attempt failed: the item waits for `pause_s`, and its device's later ones with it. A restart ends that."""
        for entry in self._in_flight((id,)):
            entry.attempts += 1
            self._database.defer("UPDATE outbox SET attempts = ? WHERE id = ?", entry.attempts, id)
            self.delay(id, pause_s)
            kind = entry.item_type.kind()
            log.info("outbox_row_postponed", id=id, kind=kind, uuid=entry.uuid, reason=reason, pause_s=pause_s)

    def delay(self, id: int, pause_s: float) -> None:
        """It is too early for the item: it waits for `pause_s`. This is no attempt that failed."""
        for entry in self._in_flight((id,)):
            entry.not_before = asyncio.get_running_loop().time() + pause_s
            self._requeue(entry)

    def retry_now(self, route: Route) -> None:
        """End every pause on `route`: what the items waited for has come."""
        for entry in self._queues[route]:
            entry.not_before = 0.0
        self._wake[route].set()

    async def dead_letter(self, id: int, reason: str) -> None:
        """The cloud will never accept the item: move it to the dead letters, so that its device's next can be sent.

        An item that coalesces is added again with every reading: the same refusal of it is written once.
        """
        for entry in self._in_flight((id,)):
            if entry.item_type.coalesces and await self._is_dead_letter(entry, reason):
                self._drop(entry)
                continue
            self._defer_dead_letter(id, entry.attempts, reason)
            self._drop(entry)
            log.error("outbox_row_dead_lettered", id=id, kind=entry.item_type.kind(), uuid=entry.uuid, reason=reason)
            await self._write_deferred("dead_letter_not_written")

    async def rewrite(self, change: Callable[[OutboxItem], OutboxItem]) -> int:
        """Replace each item that waits by what `change` makes of it; returns how many it changed. Raises StoreError."""
        changed = 0
        for queue in self._queues.values():
            waiting = [entry for entry in queue if entry.state is EntryState.WAITING]
            for start in range(0, len(waiting), _REWRITTEN_AT_ONCE):
                changed += await self._rewrite(waiting[start : start + _REWRITTEN_AT_ONCE], change)
        return changed

    async def depth(self) -> dict[Route, int]:
        """How many items each route has, in flight or not."""
        return {route: len(queue) for route, queue in self._queues.items()}

    async def rows(self, limit: int = 100) -> tuple[OutboxRow, ...]:
        """The oldest items of all routes, at most `limit`, to be shown."""
        entries = sorted((entry for queue in self._queues.values() for entry in queue), key=lambda entry: entry.id)
        shown = [entry for entry in entries if entry.state is not EntryState.WRITING][:limit]
        bodies = await self._bodies(entry.id for entry in shown if entry.item is None)
        found = [(entry, entry.item or self._decode(bodies.get(entry.id, b""))) for entry in shown]
        return tuple(_row(entry, item) for entry, item in found if item is not None)

    async def requeue(self, id: int) -> Uuid:
        """Send a dead letter again, after all that its device has waiting; returns that device.

        Raises DeadLetterNotFoundError, StoreError.
        """
        item = self._decode(await self._dead_body(id))
        if item is None:
            raise DeadLetterNotFoundError(f"dead letter {id} cannot be read by this version: it can only be discarded")
        transaction = Transaction()
        self.stage(transaction, item)
        transaction.add(_DELETE_DEAD, id)
        await self._database.commit(transaction)
        log.info("dead_letter_requeued", id=id, uuid=item.uuid)
        return item.uuid

    async def discard(self, id: int) -> None:
        """Delete a dead letter. Raises DeadLetterNotFoundError, StoreError."""
        await self._dead_body(id)
        transaction = Transaction()
        transaction.add(_DELETE_DEAD, id)
        await self._database.commit(transaction)
        log.info("dead_letter_discarded", id=id)

    async def dead_letters(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest dead letters, newest first, at most `limit`."""
        found = await self._database.read(
            lambda raw: raw.execute(
                "SELECT id, body, created_at, attempts, reason, buried_at FROM dead_letter ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return tuple(
            DeadLetter(id_, self._decode(body), reason, from_ms(created_at), from_ms(failed_at), attempts)
            for id_, body, created_at, attempts, reason, failed_at in found
        )

    def drop_expired(self) -> None:
        """Drop the items that have outlived their lifetime."""
        for queue in self._queues.values():
            self._drop_expired(queue)

    # ---- inside

    async def _rewrite(self, entries: Iterable[QueueEntry], change: Callable[[OutboxItem], OutboxItem]) -> int:
        bodies = await self._bodies(entry.id for entry in entries if entry.item is None)
        transaction, changed = Transaction(), 0
        for entry in entries:
            item = entry.item or self._decode(bodies.get(entry.id, b""))
            if item is None or entry.state is not EntryState.WAITING or (after := change(item)) == item:
                continue
            changed += 1
            transaction.add("UPDATE outbox SET body = ? WHERE id = ?", self._codec.encode_item(after), entry.id)
            if entry.item is not None:
                entry.item = after  # at once: it may be taken while this is written
        if changed:
            await self._database.commit(transaction)
        return changed

    def _queue(self, entry: QueueEntry) -> OutboxQueue:
        return self._queues[entry.item_type.route]

    def _drop_expired(self, queue: OutboxQueue) -> None:
        now = self._now()
        expired = [entry for entry in queue if entry.state is EntryState.WAITING and _is_expired(entry, now)]
        for entry in expired:
            self._drop(entry)
        if expired:
            log.warning("expired_items_dropped", count=len(expired))

    def _defer_dead_letter(self, id: int, attempts: int, reason: str) -> None:
        self._database.defer(
            "INSERT OR IGNORE INTO dead_letter"
            " SELECT id, kind, uuid, body, created_at, ?, ?, ? FROM outbox WHERE id = ?",
            *(attempts, reason, to_ms(self._now()), id),
        )
        self._database.defer(
            "DELETE FROM dead_letter WHERE id <= (SELECT id FROM dead_letter ORDER BY id DESC LIMIT 1 OFFSET ?)",
            _MAX_DEAD_LETTERS,
        )

    async def _is_dead_letter(self, entry: QueueEntry, reason: str) -> bool:
        query = "SELECT 1 FROM dead_letter WHERE kind = ? AND uuid = ? AND reason = ?"
        values = (entry.item_type.kind(), entry.uuid, reason)
        return await self._database.read(lambda raw: raw.execute(query, values).fetchone()) is not None

    async def _dead_body(self, id: int) -> bytes:
        query = "SELECT body FROM dead_letter WHERE id = ?"
        found = await self._database.read(lambda raw: raw.execute(query, (id,)).fetchone())
        if found is None:
            raise DeadLetterNotFoundError(f"there is no dead letter {id}")
        return bytes(found[0])

    def _decode(self, body: bytes) -> OutboxItem | None:
        try:
            return self._codec.decode_item(body)
        except StoreError:
            return None

    def _stage(self, transaction: Transaction, item: OutboxItem) -> None:
        entry = self._entry_for(item)
        # The insertion of a row that already waits is repeated, and ignored: if the first one fails, this one stands.
        body = self._codec.encode_item(item)
        transaction.add(_INSERT, entry.id, item.kind(), entry.uuid, body, to_ms(entry.created_at))
        transaction.on_commit.append(partial(self._committed, entry))
        transaction.on_failure.append(partial(self._failed, entry))

    def _entry_for(self, item: OutboxItem) -> QueueEntry:
        """The entry of `item`: one that waits already where it coalesces, else a new one."""
        item_type = type(item)
        queue = self._queues[item.route]
        if waiting := queue.find_coalescing(item.uuid, item_type):
            return waiting
        if item.lifetime is not None and len(queue) >= self.limit:
            self._drop_expired(queue)
        in_memory = item if len(queue) < _MAX_IN_MEMORY else None
        entry = QueueEntry(self._next_id, item_type, item.uuid, self._now(), in_memory, EntryState.WRITING)
        self._next_id += 1
        queue.add(entry)
        return entry

    def _committed(self, entry: QueueEntry) -> None:
        if entry.state is not EntryState.WRITING:
            return
        queue = self._queue(entry)
        if queue.get(entry.id) is None:
            queue.add(entry)  # an earlier transaction with the same row had failed
        entry.state = EntryState.WAITING
        self._notify(entry)

    def _failed(self, entry: QueueEntry) -> None:
        if entry.state is EntryState.WRITING and self._queue(entry).get(entry.id):
            self._queue(entry).remove(entry)

    def _in_flight(self, ids: Iterable[int]) -> list[QueueEntry]:
        """The entries of `ids` that are in flight; others (a late call for a broken connection) are passed over."""
        found = (queue.get(id_) for id_ in ids for queue in self._queues.values())
        return [entry for entry in found if entry is not None and entry.state is EntryState.IN_FLIGHT]

    def _drop(self, entry: QueueEntry) -> None:
        self._queue(entry).remove(entry)
        self._database.defer(_DELETE, entry.id)
        self._notify(entry)

    def _requeue(self, entry: QueueEntry) -> None:
        """Let `entry` wait again, and drop the later item that it makes needless: one is enough."""
        if repetition := self._queue(entry).find_repetition(entry):
            self._drop(repetition)
        entry.state = EntryState.WAITING
        self._notify(entry)

    def _notify(self, entry: QueueEntry) -> None:
        self._wake[entry.item_type.route].set()

    async def _await_ready(self, route: Route, limit: int) -> list[QueueEntry]:
        clock = asyncio.get_running_loop().time
        queue, wake = self._queues[route], self._wake[route]
        while True:
            wake.clear()
            if entries := queue.ready(clock(), limit):
                return entries
            try:
                async with asyncio.timeout_at(queue.next_retry(clock())):
                    await wake.wait()
            except TimeoutError:
                continue  # a pause has ended

    async def _read_items(self, entries: list[QueueEntry]) -> None:
        """Read the items that are on disk alone. One whose row is damaged becomes a dead letter."""
        absent = [entry for entry in entries if entry.item is None]
        bodies = await self._bodies(entry.id for entry in absent)
        for entry in absent:
            try:
                entry.item = self._codec.decode_item(bodies[entry.id])
            except (StoreError, KeyError) as error:
                await self.dead_letter(entry.id, f"its row is damaged: {error}")

    async def _bodies(self, ids: Iterable[int]) -> dict[int, bytes]:
        listed = tuple(ids)
        if not listed:
            return {}
        query = f"SELECT id, body FROM outbox WHERE id IN ({','.join('?' * len(listed))})"  # noqa: S608  # marks alone
        return dict(await self._database.read(lambda raw: raw.execute(query, listed).fetchall()))

    async def _write_deferred(self, event_on_failure: str) -> None:
        """Write what waits for a transaction. Where the disk refuses, it is logged, and written with a later one."""
        try:
            await self._database.commit(Transaction(), durable=False)
        except StoreError as error:
            log.warning(event_on_failure, reason=str(error))


def _is_expired(entry: QueueEntry, now: datetime) -> bool:
    lifetime = entry.item_type.lifetime
    return lifetime is not None and entry.created_at < now - lifetime


def _row(entry: QueueEntry, item: OutboxItem) -> OutboxRow:
    return OutboxRow(entry.id, item, entry.created_at, entry.attempts, entry.maybe_sent)
