"""Records radio events in the store: reported attributes in memory at once, everything else in order and on disk.

zigpy calls synchronously, so events that need the disk wait in a queue for `EventRecorder.run`. Lock events are
recorded by `locks/`; how many of a device are recorded is decided in `event_limit`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final, assert_never

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.model.change import Change
from gatewayd.model.errors import GatewayError, StoreError
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
from gatewayd.zigbee.event_limit import EventLimit

log = structlog.get_logger()


_MAX_WAITING: Final = 5_000
"""Events that wait while the store refuses them; some 5 MB."""

_FINISH_WITHIN_S: Final = 0.8

_BACKOFF: Final = Backoff(first_s=0.5, longest_s=15.0)


class EventRecorder:
    """Records each event in the mirror, with the outbox items that follow from it.

    `record_lock_notification` is awaited with each event of a lock, one after the other; it returns once the event is
    on disk. While the store refuses, events wait, in order; `on_lost` is called with each lock of which some were lost
    all the same, once the store takes events again: its own log may have them. `limit` bounds the events of a device,
    `max_waiting` those that wait; `monotonic` (seconds) is the limit's clock.
    """

    def __init__(
        self,
        mirror: Mirror,
        *,
        record_lock_notification: Callable[[LockNotification], Awaitable[None]],
        new_sn: Callable[[], str],
        on_lost: Callable[[Uuid], None] = lambda _: None,
        limit: EventLimit | None = None,
        max_waiting: int = _MAX_WAITING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirror = mirror
        self._record_lock_notification = record_lock_notification
        self._new_sn = new_sn
        self._on_lost = on_lost
        self._limit = limit or EventLimit()
        self._max_waiting = max_waiting
        self._monotonic = monotonic
        self._queue: asyncio.Queue[RadioEvent] = asyncio.Queue()
        self._held = asyncio.Event()  # the limit holds an event: `run` must look when it is due
        self._refusal: StoreError | None = None
        self._refused = asyncio.Event()  # while there is a refusal
        self._lost: Counter[Uuid] = Counter()

    def handle(self, event: RadioEvent) -> None:
        """Record reported attributes now, and queue any other event. Does not block: zigpy's callbacks call it."""
        if isinstance(event, AttributeReported):
            self._mirror.report(event.uuid, event.changes, event.at)
        elif self._limit.admit(event, self._monotonic()):
            self._enqueue(event)
        else:
            self._log_limits()
            self._held.set()

    async def run(self) -> None:
        """Record queued events until cancelled. What the store refuses is tried again until it is recorded; what cannot
        be recorded for another reason is logged and lost.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._enqueue_held())
            while True:
                event = await self._queue.get()
                try:
                    await self._record_at_last(event)
                finally:
                    self._queue.task_done()

    async def flush_lock(self, lock: Uuid, logged: Iterable[LockEvent]) -> None:
        """`flush`, and drop the held operations of `lock` that are in `logged`, what its log has. Raises StoreError."""
        self._limit.drop_logged(lock, logged)
        await self.flush()

    async def flush(self) -> None:
        """Wait until every event that was handled so far is recorded; those that the limit holds are not waited for.

        Raises StoreError while the store refuses events.
        """
        joined, refused = asyncio.create_task(self._queue.join()), asyncio.create_task(self._refused.wait())
        try:
            await asyncio.wait((joined, refused), return_when=asyncio.FIRST_COMPLETED)
            if not joined.done() and self._refusal is not None:
                raise self._refusal
        finally:
            joined.cancel()
            refused.cancel()

    async def finish(self) -> None:
        """Record what waits, held events too, before the daemon stops. What cannot be recorded within a short time is
        lost, and logged.
        """
        for event in self._limit.release():
            self._enqueue(event)
        try:
            async with asyncio.timeout(_FINISH_WITHIN_S):
                await self.flush()
        except (StoreError, TimeoutError) as error:
            log.error("radio_events_lost", count=self._queue.qsize(), reason=str(error) or "not in time")  # noqa: TRY400

    def _enqueue(self, event: RadioEvent) -> None:
        if self._queue.qsize() < self._max_waiting:
            self._queue.put_nowait(event)
            return
        if not self._lost:
            log.error("radio_events_dropped", waiting=self._queue.qsize(), reason=str(self._refusal))
        if isinstance(event, LockEvent | LockProgrammed | LockAlarm):
            self._lost[event.uuid] += 1

    async def _enqueue_held(self) -> None:
        """Queue the events that the limit holds, each when it is due."""
        while True:
            now = self._monotonic()
            for event in self._limit.due(now):
                self._enqueue(event)
            self._log_limits()
            due = self._limit.next_due(now)
            self._held.clear()
            if due is None:
                await self._held.wait()
            else:
                await asyncio.sleep(max(0.01, due - now))

    def _log_limits(self) -> None:
        for change in self._limit.take_changes():
            if change.is_limited:
                log.warning("device_events_limited", uuid=change.uuid, reason="it sends more than any device should")
            else:
                log.info("device_events_no_longer_limited", uuid=change.uuid, coalesced=change.coalesced)

    async def _record_at_last(self, event: RadioEvent) -> None:
        """Record `event`, as often as the store refuses it."""
        retries = Retries(_BACKOFF)
        while True:
            try:
                await self._record(event)
            except StoreError as error:
                if self._refusal is None:
                    log.error("radio_event_waits", radio_event=type(event).__name__, reason=str(error))  # noqa: TRY400
                self._refusal = error
                self._refused.set()
                await asyncio.sleep(retries.next_pause_s())
                continue
            except GatewayError as error:
                log.error("radio_event_not_recorded", radio_event=type(event).__name__, reason=str(error))  # noqa: TRY400
            except Exception:  # a fault of ours at this event: the next ones are recorded all the same
                log.exception("radio_event_not_recorded", radio_event=type(event).__name__)
            break
        if self._refusal is not None:
            self._refusal = None
            self._refused.clear()
            log.info("radio_events_recorded_again", waiting=self._queue.qsize(), lost=self._lost.total())
        if self._lost and self._queue.empty():
            lost, self._lost = self._lost, Counter()
            for uuid in lost:
                self._on_lost(uuid)

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
