"""Records radio events in the store: reported attributes in memory at once, everything else in order and on disk.

zigpy calls synchronously, so events that need the disk wait in a queue for `EventRecorder.run`. Lock events are
recorded by `locks/`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
    """Records each event in the mirror, with the outbox items that follow from it.

    `record_lock_notification` is awaited with each event of a lock, one after the other; it returns once the event is
    on disk.
    """

    def __init__(
        self,
        mirror: Mirror,
        *,
        record_lock_notification: Callable[[LockNotification], Awaitable[None]],
        new_sn: Callable[[], str],
    ) -> None:
        self._mirror = mirror
        self._record_lock_notification = record_lock_notification
        self._new_sn = new_sn
        self._queue: asyncio.Queue[RadioEvent] = asyncio.Queue()

    def handle(self, event: RadioEvent) -> None:
        """Record reported attributes now, and queue any other event. Does not block: zigpy's callbacks call it."""
        if isinstance(event, AttributeReported):
            self._mirror.report(event.uuid, event.changes, event.at)
        else:
            self._queue.put_nowait(event)

    async def run(self) -> None:
        """Record queued events until cancelled. An event that cannot be recorded is logged and lost."""
        while True:
            event = await self._queue.get()
            try:
                await self._record(event)
            except GatewayError as error:
                log.error("radio_event_not_recorded", radio_event=type(event).__name__, reason=str(error))  # noqa: TRY400
            except Exception:  # a fault of ours: the next event is recorded all the same
                log.exception("radio_event_not_recorded", radio_event=type(event).__name__)
            finally:
                self._queue.task_done()

    async def flush(self, within_s: float | None = None) -> None:
        """Wait until every event that was handled so far is recorded, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._queue.join()

    async def _record(self, event: RadioEvent) -> None:
        match event:
            case LockEvent() | LockProgrammed() | LockAlarm():
                await self._record_lock_notification(event)
            case DeviceJoined():
                await self._record_join(event)
            case DeviceLeft():
                await self._record_leave(event.uuid)
            case AvailabilityChanged():
                self._record_availability(event.uuid, event.at, online=event.online)
            case RadioUp() | RadioDown() | DeviceReady() | AttributeReported():
                pass  # the first three are for the daemon, the last was recorded by `handle`
            case _:
                assert_never(event)

    async def _record_join(self, event: DeviceJoined) -> None:
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
        notices = (notice,) if known is None else ()
        changed = (RecordItem(uuid=record.uuid),) if known != record else ()
        await self._mirror.put(record, *notices, *changed)
        if known is None:
            log.info("device_joined", uuid=record.uuid, category=record.category, type_sub=record.type_sub)

    async def _record_leave(self, uuid: Uuid) -> None:
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

    def _record_availability(self, uuid: Uuid, at: datetime, *, online: bool) -> None:
        if self._mirror.report(uuid, (Change("status", int(online)),), at) is not None:
            log.info("availability_changed", uuid=uuid, online=online)
