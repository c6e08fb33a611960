"""What the radio says, into the store: readings at once, everything else in order and on disk.

zigpy calls synchronously, so events that need the disk wait in a queue for this module's loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import assert_never

import structlog

from gatewayd.model.change import Change
from gatewayd.model.errors import GatewayError
from gatewayd.model.event import (
    AttributeReported,
    AvailabilityChanged,
    DeviceJoined,
    DeviceLeft,
    DeviceReady,
    LockAlarm,
    LockEvent,
    LockNotification,
    LockProgrammed,
    RadioDown,
    RadioEvent,
    RadioUp,
)
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import NoticeItem, RecordItem, RemovalItem
from gatewayd.store.mirror import Mirror

log = structlog.get_logger()


class EventRecorder:
    """Takes radio events. `lock_words` hears what locks say, one after the other, and returns when it is kept."""

    def __init__(
        self, mirror: Mirror, *, lock_words: Callable[[LockNotification], Awaitable[None]], new_sn: Callable[[], str]
    ) -> None:
        self._mirror = mirror
        self._lock_words = lock_words
        self._new_sn = new_sn
        self._queue: asyncio.Queue[RadioEvent] = asyncio.Queue()
        self.reports = 0

    def take(self, event: RadioEvent) -> None:
        """An event, from zigpy's callbacks: readings are taken here and now, the rest is queued."""
        if isinstance(event, AttributeReported):
            self.reports += 1
            self._mirror.report(event.uuid, event.changes, event.at)
        else:
            self._queue.put_nowait(event)

    async def run(self) -> None:
        """Work through what is queued, until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._keep(event)
            except GatewayError as error:
                log.error("radio_event_not_kept", radio_event=type(event).__name__, reason=str(error))  # noqa: TRY400
            finally:
                self._queue.task_done()

    async def drained(self) -> None:
        """Wait until everything that was taken so far is kept."""
        await self._queue.join()

    async def _keep(self, event: RadioEvent) -> None:
        match event:
            case LockEvent() | LockProgrammed() | LockAlarm():
                await self._lock_words(event)
            case DeviceJoined():
                await self._joined(event)
            case DeviceLeft():
                await self._left(event.uuid)
            case AvailabilityChanged():
                await self._available(event.uuid, event.at, online=event.online)
            case RadioUp() | RadioDown() | DeviceReady() | AttributeReported():
                pass  # the first three are the daemon's, the last was taken at once
            case _:
                assert_never(event)

    async def _joined(self, event: DeviceJoined) -> None:
        record = event.record
        known = self._mirror.get(record.uuid)
        notice = NoticeItem(
            category=record.category,
            uuid=record.uuid,
            exectype=ExecType.CREATE,
            sn=self._new_sn(),
            status="CREATED",
            record=record,
        )
        due = () if known == record else (RecordItem(uuid=record.uuid),)
        await self._mirror.put(record, *(() if known is not None else (notice,)), *due)
        if known is None:
            log.info("device_joined", uuid=record.uuid, category=record.category, type_sub=record.type_sub)

    async def _left(self, uuid: Uuid) -> None:
        record = self._mirror.get(uuid)
        if record is None:
            return
        notice = NoticeItem(
            category=record.category,
            uuid=uuid,
            exectype=ExecType.DELETE,
            sn=self._new_sn(),
            status="DELETED",
            record=record,
        )
        removal = () if record.unlinked else (RemovalItem(uuid=uuid, id=record.id),)
        await self._mirror.remove(uuid, notice, *removal)
        log.info("device_left", uuid=uuid, category=record.category)

    async def _available(self, uuid: Uuid, at: datetime, *, online: bool) -> None:
        if self._mirror.report(uuid, (Change("status", int(online)),), at) is not None:
            log.info("availability_changed", uuid=uuid, online=online)
