"""The mirror: every record as the cloud would show it. All records are in memory, and SQLite has them on disk.

Sending them is left to the outbox, and to the subscribers that `subscribe` gives a feed of changes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import structlog
from msgspec.structs import replace

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.change import Change, apply
from gatewayd.model.errors import StoreError, UnknownDeviceError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem, RecordItem
from gatewayd.model.record import Record
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Transaction
from gatewayd.store.outbox import Outbox

log = structlog.get_logger(__name__)

_UPSERT = "INSERT INTO mirror (uuid, body) VALUES (?, ?) ON CONFLICT (uuid) DO UPDATE SET body = excluded.body"
_DELETE = "DELETE FROM mirror WHERE uuid = ?"


Stamp = Callable[[datetime | None], str]
"""A moment (None: now) as `update_time` has it."""


class Mirror:
    """Records by uuid. Memory is ahead of the disk by the readings of a few seconds, and by what is being written.

    `on_dirty` is called when there is something to flush. `unsure` returns what goes with a date of
    `stamp` while no right clock is known.
    """

    def __init__(
        self,
        database: Database,
        codec: Codec,
        outbox: Outbox,
        *,
        stamp: Stamp,
        unsure: Callable[[], UnsureDate | None],
        on_dirty: Callable[[], None],
    ) -> None:
        self._database = database
        self._codec = codec
        self._outbox = outbox
        self._stamp = stamp
        self._unsure = unsure
        self._dated_unsurely: dict[Uuid, tuple[str, UnsureDate]] = {}  # update_time and how it came about
        self._on_dirty = on_dirty
        self._records: dict[Uuid, Record] = {}
        self._dirty: dict[Uuid, None] = {}
        self._feeds: list[ChangeFeed] = []

    async def load(self) -> None:
        """Read every record. A row that cannot be read is dropped: the radio or the next sync brings it back."""
        rows = await self._database.read(
            lambda raw: raw.execute("SELECT uuid, body FROM mirror ORDER BY id").fetchall()
        )
        for uuid, body in rows:
            try:
                self._records[uuid] = self._codec.decode_record(body)
            except StoreError as error:
                log.warning("mirror_row_dropped", uuid=uuid, reason=str(error))
                self._database.defer(_DELETE, uuid)

    def get(self, uuid: Uuid) -> Record | None:
        """The record of `uuid`; None if it is not hosted here."""
        return self._records.get(uuid)

    def all(self) -> tuple[Record, ...]:
        """Every record, the longest known first."""
        return tuple(self._records.values())

    @contextmanager
    def subscribe(self) -> Iterator[ChangeFeed]:
        """A feed of its own for one subscriber, until it leaves: the devices whose record changed, or was removed.

        A reading is in it at once, any other change once it is on disk. Subscribers do not wait for one another.
        """
        feed = ChangeFeed()
        self._feeds.append(feed)
        try:
            yield feed
        finally:
            self._feeds.remove(feed)

    def report(self, uuid: Uuid, changes: tuple[Change, ...], at: datetime) -> Record | None:
        """Apply a reading: in memory at once, on disk (with its RecordItem) with the next flush.

        Returns the new record, None where nothing changed or the device is unknown. Raises as `apply` does.
        """
        before = self._records.get(uuid)
        if before is None:
            return None
        after = apply(before, changes)
        if after is before:
            return None
        after = self._records[uuid] = replace(after, update_time=self._date(uuid, at))
        self._mark_dirty(uuid)
        self._announce(uuid)
        return after

    async def put(self, record: Record, *items: OutboxItem) -> None:
        """Write `record` and `items`; both are on disk when it returns.

        Raises StoreError, and then the record is as it was and none of `items` is added.
        """
        transaction = Transaction()
        self._stage(transaction, record, *items)
        await self._database.commit(transaction)

    async def change(self, uuid: Uuid, changes: tuple[Change, ...], *items: OutboxItem) -> Record:
        """`put` of the record after `changes`, which it returns. Raises UnknownDeviceError, StoreError."""
        transaction = Transaction()
        after = self.stage_changes(transaction, uuid, changes, *items)
        if transaction.statements:
            await self._database.commit(transaction)
        return after

    def stage_changes(
        self, transaction: Transaction, uuid: Uuid, changes: tuple[Change, ...], *items: OutboxItem
    ) -> Record:
        """Make `changes` and `items` part of a caller's transaction; returns the record after them.

        Raises UnknownDeviceError.
        """
        before = self._records.get(uuid)
        if before is None:
            raise UnknownDeviceError(f"No device {uuid} is hosted here.")
        after = apply(before, changes)
        if after is before:
            self._outbox.stage(transaction, *items)
            return before
        return self._stage(transaction, after, *items)

    async def remove(self, uuid: Uuid, *items: OutboxItem) -> Record | None:
        """Delete the record of `uuid` and add `items`, both on disk when it returns; returns the record there was.

        Raises StoreError, and then everything is as it was.
        """
        before = self._records.pop(uuid, None)
        transaction = Transaction()
        self._outbox.stage(transaction, *items)
        if before is not None:
            self._dirty.pop(uuid, None)
            transaction.add(_DELETE, uuid)
            transaction.on_commit.append(partial(self._announce, uuid))
            transaction.on_failure.append(partial(self._restore, uuid, before, None))
        await self._database.commit(transaction)
        return before

    def date_anew(self, correct: Callable[[str, UnsureDate], str]) -> int:
        """Replace the `update_time` of each record that was dated by no right clock by what `correct` makes of it, in
        memory and with the next flush; returns how many.
        """
        dated, self._dated_unsurely = self._dated_unsurely, {}
        changed = 0
        for uuid, (text, unsure) in dated.items():
            record = self._records.get(uuid)
            if record is not None and record.update_time == text and (corrected := correct(text, unsure)) != text:
                self._records[uuid] = replace(record, update_time=corrected)
                self._mark_dirty(uuid)
                self._announce(uuid)
                changed += 1
        return changed

    async def flush(self) -> None:
        """Write the readings, each device's row with its RecordItem, in one transaction. Raises StoreError."""
        flushed = tuple(self._dirty)
        self._dirty.clear()
        transaction = Transaction()
        for uuid in flushed:
            transaction.add(_UPSERT, uuid, self._codec.encode_record(self._records[uuid]))
            self._outbox.stage(transaction, RecordItem(uuid=uuid))
        transaction.on_failure.append(lambda: self._mark_dirty_again(flushed))
        if flushed or self._database.has_deferred:
            await self._database.commit(transaction, durable=False)

    def _stage(self, transaction: Transaction, record: Record, *items: OutboxItem) -> Record:
        uuid = record.uuid
        before = self._records.get(uuid)
        after = self._records[uuid] = replace(record, update_time=self._date(uuid, None))
        transaction.add(_UPSERT, uuid, self._codec.encode_record(after))
        self._outbox.stage(transaction, *items)
        transaction.on_commit.append(partial(self._announce, uuid))
        transaction.on_failure.append(partial(self._restore, uuid, before, after))
        return after

    def _date(self, uuid: Uuid, at: datetime | None) -> str:
        text = self._stamp(at)
        if (unsure := self._unsure()) is None:
            self._dated_unsurely.pop(uuid, None)
        else:
            self._dated_unsurely[uuid] = text, unsure
        return text

    def _announce(self, uuid: Uuid) -> None:
        for feed in self._feeds:
            feed.add(uuid)

    def _mark_dirty(self, uuid: Uuid) -> None:
        self._dirty[uuid] = None
        self._on_dirty()

    def _mark_dirty_again(self, uuids: tuple[Uuid, ...]) -> None:
        for uuid in uuids:
            if uuid in self._records:
                self._dirty[uuid] = None

    def _restore(self, uuid: Uuid, before: Record | None, written: Record | None) -> None:
        """A transaction failed: put `before` back in memory.

        If the record has changed again meanwhile, memory stays, and the next flush writes it.
        """
        if self._records.get(uuid) is not written:
            if uuid in self._records:
                self._mark_dirty(uuid)
        elif before is None:
            self._records.pop(uuid, None)
        else:
            self._records[uuid] = before
            self._mark_dirty(uuid)
