"""Protocols of the store and of the clock that several packages need, so that none has to import another."""

from datetime import datetime
from typing import Protocol

from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem
from gatewayd.model.record import Record


class RecordReader(Protocol):
    """Reads the mirror; synchronous, since all records are in memory."""

    def get(self, uuid: Uuid) -> Record | None:
        """The record of `uuid`; None if there is none."""
        ...

    def all(self) -> tuple[Record, ...]:
        """Every record."""
        ...


class RecordWriter(RecordReader, Protocol):
    """Reads and writes the mirror."""

    async def put(self, record: Record, *items: OutboxItem) -> None:
        """Write `record` and `items` in one durable transaction. Raises StoreError."""
        ...


class FactStore(Protocol):
    """Small durable values by name."""

    def get(self, name: str) -> bytes | None:
        """The value of `name`; None if there is none."""
        ...

    async def set(self, name: str, value: bytes) -> None:
        """Write `value` durably. Raises StoreError."""
        ...

    async def delete(self, name: str) -> None:
        """Delete `name` durably. Raises StoreError."""
        ...


class Clock(Protocol):
    """The best time that is known, in UTC."""

    def now(self) -> datetime:
        """The time, as well as it is known."""
        ...

    def known_now(self) -> datetime | None:
        """The time; None where no clock can be trusted."""
        ...

    def not_before(self) -> datetime:
        """A time that is past for sure."""
        ...
