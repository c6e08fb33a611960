"""The mirror: every record as the cloud would show it. The working set is in memory, SQLite stands behind it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import structlog
from msgspec.structs import replace

from gatewayd.model.change import Change, apply
from gatewayd.model.errors import StoreError, UnknownDeviceError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem, RecordItem
from gatewayd.model.record import Record
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Write
from gatewayd.store.outbox import Outbox

log = structlog.get_logger(__name__)

_UPSERT = "INSERT INTO mirror (uuid, body) VALUES (?, ?) ON CONFLICT (uuid) DO UPDATE SET body = excluded.body"
_DELETE = "DELETE FROM mirror WHERE uuid = ?"


Stamp = Callable[[datetime | None], str]
"""A moment (None: now) as `update_time` says it."""


class Mirror:
    """Records by uuid. Memory is ahead of the disk by the readings of a few seconds, and by what is being written.

    `stirred` is called when there is something to flush.
    """

    def __init__(
        self, database: Database, codec: Codec, outbox: Outbox, *, stamp: Stamp, stirred: Callable[[], None]
    ) -> None:
        self._database = database
        self._codec = codec
        self._outbox = outbox
        self._stamp = stamp
        self._stirred = stirred
        self._records: dict[Uuid, Record] = {}
        self._dirty: dict[Uuid, None] = {}
        self._feeds: list[ChangeFeed] = []

    async def load(self) -> None:
        """Read every record. A row that cannot be read is dropped: the radio and the cloud say it again."""
        rows = await self._database.read(
            lambda raw: raw.execute("SELECT uuid, body FROM mirror ORDER BY id").fetchall()
        )
        for uuid, body in rows:
            try:
                self._records[uuid] = self._codec.decode_record(body)
            except StoreError as error:
                log.warning("mirror_row_dropped", uuid=uuid, reason=str(error))
                self._database.write_later(_DELETE, uuid)

    def get(self, uuid: Uuid) -> Record | None:
        """The record of `uuid`, if it is hosted here."""
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
        """Take a reading: in memory at once, on disk (with its RecordDue) with the next flush.

        Returns the new record, None where nothing changed or the device is unknown. Raises TypeError as `apply` does.
        """
        before = self._records.get(uuid)
        if before is None:
            return None
        after = apply(before, changes)
        if after is before:
            return None
        after = self._records[uuid] = replace(after, update_time=self._stamp(at))
        self._mark_dirty(uuid)
        self._announce(uuid)
        return after

    async def put(self, record: Record, *due: OutboxItem) -> None:
        """Durable with its outbox rows when it returns. Raises StoreError, and then the record is as it was."""
        write = Write()
        self._stage(write, record, *due)
        await self._database.commit(write)

    async def change(self, uuid: Uuid, changes: tuple[Change, ...], *due: OutboxItem) -> Record:
        """`put` of the record after `changes`; returns it. Raises UnknownDeviceError."""
        write = Write()
        after = self.stage_changes(write, uuid, changes, *due)
        if write.statements:
            await self._database.commit(write)
        return after

    def stage_changes(self, write: Write, uuid: Uuid, changes: tuple[Change, ...], *due: OutboxItem) -> Record:
        """Make `changes` and `due` part of somebody's own write; the record after them. Raises UnknownDeviceError."""
        before = self._records.get(uuid)
        if before is None:
            raise UnknownDeviceError(f"No device {uuid} is hosted here.")
        after = apply(before, changes)
        if after is before:
            self._outbox.stage(write, *due)
            return before
        return self._stage(write, after, *due)

    async def remove(self, uuid: Uuid, *due: OutboxItem) -> Record | None:
        """Forget `uuid`, durably with its outbox rows; returns what was known of it.

        Raises StoreError, and then it is as it was.
        """
        before = self._records.pop(uuid, None)
        write = Write()
        self._outbox.stage(write, *due)
        if before is not None:
            self._dirty.pop(uuid, None)
            write.add(_DELETE, uuid)
            write.on_commit.append(partial(self._announce, uuid))
            write.on_failure.append(partial(self._put_back, uuid, before, None))
        await self._database.commit(write)
        return before

    async def flush(self) -> None:
        """Write the readings, each device's row with its RecordDue, in one transaction. Raises StoreError."""
        flushed = tuple(self._dirty)
        self._dirty.clear()
        write = Write()
        for uuid in flushed:
            write.add(_UPSERT, uuid, self._codec.encode_record(self._records[uuid]))
            self._outbox.stage(write, RecordItem(uuid=uuid))
        write.on_failure.append(lambda: self._mark_dirty_again(flushed))
        if flushed or self._database.has_later:
            await self._database.commit(write, durable=False)

    def _stage(self, write: Write, record: Record, *due: OutboxItem) -> Record:
        uuid = record.uuid
        before = self._records.get(uuid)
        after = self._records[uuid] = replace(record, update_time=self._stamp(None))
        write.add(_UPSERT, uuid, self._codec.encode_record(after))
        self._outbox.stage(write, *due)
        write.on_commit.append(partial(self._announce, uuid))
        write.on_failure.append(partial(self._put_back, uuid, before, after))
        return after

    def _announce(self, uuid: Uuid) -> None:
        for feed in self._feeds:
            feed.add(uuid)

    def _mark_dirty(self, uuid: Uuid) -> None:
        self._dirty[uuid] = None
        self._stirred()

    def _mark_dirty_again(self, uuids: tuple[Uuid, ...]) -> None:
        for uuid in uuids:
            if uuid in self._records:
                self._dirty[uuid] = None

    def _put_back(self, uuid: Uuid, before: Record | None, written: Record | None) -> None:
        """A write failed. If the record went on meanwhile, memory stays and the disk follows with the next flush."""
        if self._records.get(uuid) is not written:
            if uuid in self._records:
                self._mark_dirty(uuid)
        elif before is None:
            self._records.pop(uuid, None)
        else:
            self._records[uuid] = before
            self._mark_dirty(uuid)
