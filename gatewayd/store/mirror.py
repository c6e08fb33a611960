"""The mirror: every record as the cloud would show it. In memory to work with, in SQLite to survive.

A reading is in memory and in the feed at once, and on disk a few seconds later with everything else that came by then:
flash is scarce. What a person did or decided (`put`, `change`, `remove`) is on disk, with what the cloud has to hear of
it, when the call returns.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime, tzinfo

import msgspec
from msgspec.structs import replace

from gatewayd.model.change import Change, apply
from gatewayd.model.errors import StoreError, UnknownDeviceError
from gatewayd.model.outgoing import Due, RecordDue
from gatewayd.model.record import Record
from gatewayd.model.times import write_time
from gatewayd.model.words import Uuid
from gatewayd.store.database import Database
from gatewayd.store.feed import Feed
from gatewayd.store.outbox import Outbox

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Mirror:
    """The records, by uuid."""

    def __init__(
        self, database: Database, outbox: Outbox, records: dict[Uuid, Record], now: Callable[[], datetime], zone: tzinfo
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._records = records
        self._now = now
        self._zone = zone
        self._unwritten: set[Uuid] = set()
        self.changed = Feed()

    @staticmethod
    def load(connection: sqlite3.Connection) -> dict[Uuid, Record]:
        """Every record on disk."""
        return {uuid: _decode(record) for uuid, record in connection.execute("SELECT uuid, record FROM mirror")}

    def get(self, uuid: Uuid) -> Record | None:
        """The record as it stands now."""
        return self._records.get(uuid)

    def all(self) -> tuple[Record, ...]:
        """Every record, in the order in which the devices came."""
        return tuple(self._records.values())

    def report(self, uuid: Uuid, changes: tuple[Change, ...], at: datetime) -> Record | None:
        """Take a reading: the new record, or None where nothing changed or the device is unknown. Not yet on disk."""
        record = self._records.get(uuid)
        if record is None or (reported := apply(record, changes)) is record:
            return None
        self._records[uuid] = reported = self._stamped(reported, at)
        self._unwritten.add(uuid)
        self.changed.add(uuid)
        return reported

    async def put(self, record: Record, *due: Due) -> None:
        """Take a whole record, new or changed; on disk, with `due`, when this returns."""
        record = self._stamped(record, self._now())
        self._records[record.uuid] = record
        self.changed.add(record.uuid)
        await self.write(lambda connection: None, record.uuid, *due)

    async def change(self, uuid: Uuid, changes: tuple[Change, ...], *due: Due) -> Record:
        """Change a record; on disk, with `due`, when this returns. Raises UnknownDeviceError."""
        record = self.take_changes(uuid, changes)
        await self.write(lambda connection: None, uuid, *due)
        return record

    async def remove(self, uuid: Uuid, *due: Due) -> Record | None:
        """Forget a device; on disk, with `due`, when this returns."""
        record = self._records.pop(uuid, None)
        self._unwritten.discard(uuid)

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM mirror WHERE uuid = ?", (uuid,))

        await self.write(delete, None, *due)
        return record

    def take_changes(self, uuid: Uuid, changes: tuple[Change, ...]) -> Record:
        """Change a record in memory and in the feed; `write` is to follow. Raises UnknownDeviceError."""
        record = self._records.get(uuid)
        if record is None:
            raise UnknownDeviceError(f"no device {uuid} here")
        changed = apply(record, changes)
        if changed is not record:
            self._records[uuid] = changed = self._stamped(changed, self._now())
            self.changed.add(uuid)
        return changed

    async def write(self, also: Callable[[sqlite3.Connection], None], uuid: Uuid | None, *due: Due) -> None:
        """One durable transaction: `also`, the record of `uuid` as it stands, and `due` in the outbox."""
        rows = self._outbox.prepare(due)
        record = self._records.get(uuid) if uuid is not None else None
        if uuid is not None:
            self._unwritten.discard(uuid)

        def work(connection: sqlite3.Connection) -> None:
            also(connection)
            if record is not None:
                _upsert(connection, record)
            self._outbox.insert(connection, rows)

        try:
            await self._database.write(work, then=lambda: self._outbox.inserted(rows))
        except StoreError:
            self._outbox.not_inserted(rows)
            if record is not None:
                self._unwritten.add(record.uuid)
            raise

    async def flush(self) -> int:
        """Write what was read since the last time, with its RecordDue, in one transaction; returns how many records."""
        taken = [record for uuid in self._unwritten if (record := self._records.get(uuid)) is not None]
        self._unwritten.clear()
        if not taken:
            return 0
        rows = self._outbox.prepare(tuple(RecordDue(uuid=record.uuid) for record in taken))

        def work(connection: sqlite3.Connection) -> None:
            for record in taken:
                _upsert(connection, record)
            self._outbox.insert(connection, rows)

        try:
            await self._database.write(work, durable=False, then=lambda: self._outbox.inserted(rows))
        except StoreError:
            self._outbox.not_inserted(rows)
            self._unwritten.update(record.uuid for record in taken)
            raise
        return len(taken)

    def _stamped(self, record: Record, at: datetime) -> Record:
        return replace(record, update_time=write_time(at, self._zone))


def _upsert(connection: sqlite3.Connection, record: Record) -> None:
    connection.execute(
        "INSERT INTO mirror VALUES (?1, ?2) ON CONFLICT (uuid) DO UPDATE SET record = ?2",
        (record.uuid, _encode(record)),
    )
