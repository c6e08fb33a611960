"""Events reach the disk in order and once, whatever the disk does meanwhile, and a flood of them costs little."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from zigpy.zcl.clusters.closures import DoorLock

from gatewayd.lifecycle import Parts
from gatewayd.model.errors import StoreError
from gatewayd.model.event import DeviceJoined, DeviceLeft, LockAlarm, LockEvent, LockNotification, LockSource
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import Route
from gatewayd.store.store import Store
from gatewayd.token_bucket import Rate
from gatewayd.zigbee.event_limit import EventLimit
from gatewayd.zigbee.event_recorder import EventRecorder
from tests.common.store import LOCK, Clock, Opener, lock, notice

AT = datetime(2026, 12, 24, tzinfo=UTC)


def opened(user: int) -> LockEvent:
    return LockEvent(LOCK, LockSource.KEYPAD, DoorLock.OperationEvent.Unlock, user, AT, user)


class Gateway:
    """A recorder on a store whose folder can vanish: the store refuses then, as it does when fsync fails."""

    def __init__(self, store: Store, folder: Path, limit: EventLimit | None = None) -> None:
        self.store = store
        self.folder = folder
        self.lost: list[Uuid] = []
        self.recorder = EventRecorder(
            store.mirror,
            record_lock_notification=self._record,
            new_sn=lambda: "sn",
            on_lost=self.lost.append,
            limit=limit,
            max_waiting=1_500,
        )

    async def _record(self, notification: LockNotification) -> None:
        await self.store.locks.add_event(notification, (), notice("1"))

    def break_disk(self) -> None:
        self.folder.rename(self.folder.with_name("elsewhere"))

    def mend_disk(self) -> None:
        self.folder.with_name("elsewhere").rename(self.folder)

    async def users(self) -> list[int | None]:
        return [event.user for event in await self.store.locks.stamped_events(LOCK)]


@asynccontextmanager
async def gateway(folder: Path, limit: EventLimit | None = None) -> AsyncIterator[Gateway]:
    state = folder / "state"
    state.mkdir()
    async with Opener(state / "gatewayd.db", Clock())() as store, asyncio.TaskGroup() as tasks:
        await store.mirror.put(lock())
        gateway = Gateway(store, state, limit)
        running = tasks.create_task(gateway.recorder.run())
        yield gateway
        running.cancel()


async def test_events_that_the_disk_refuses_are_recorded_in_order_once_it_takes_them(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        it.recorder.handle(opened(1))
        await it.recorder.flush()
        it.break_disk()
        for user in (2, 3, 4):
            it.recorder.handle(opened(user))
        with pytest.raises(StoreError):
            await it.recorder.flush()
        assert await it.users() == [1]
        it.mend_disk()
        async with asyncio.timeout(30):
            while await it.users() != [1, 2, 3, 4]:
                await asyncio.sleep(0.05)
        await it.recorder.flush()
        assert (await it.store.outbox.depth())[Route.MQTT] == 4
        assert it.lost == []


async def test_join_and_leave_that_the_disk_refuses_are_recorded_later_too(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        it.break_disk()
        joined = lock(Uuid("00158d00000000a2"))
        it.recorder.handle(DeviceJoined(joined, AT))
        it.recorder.handle(DeviceLeft(LOCK, AT))
        with pytest.raises(StoreError):
            await it.recorder.flush()
        it.mend_disk()
        async with asyncio.timeout(30):
            while it.store.mirror.get(LOCK) is not None:
                await asyncio.sleep(0.05)
        assert it.store.mirror.get(joined.uuid) == joined


async def test_lock_whose_events_were_too_many_to_wait_is_named_once_the_disk_takes_events(tmp_path: Path) -> None:
    async with gateway(tmp_path, EventLimit(Rate(per_s=1, burst=100_000))) as it:
        it.break_disk()
        for user in range(1_600):
            it.recorder.handle(opened(user))
        with pytest.raises(StoreError):
            await it.recorder.flush()
        it.mend_disk()
        async with asyncio.timeout(60):
            while not it.lost:
                await asyncio.sleep(0.05)
        assert it.lost == [LOCK]


async def test_stopping_does_not_wait_for_a_disk_that_refuses(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        it.break_disk()
        it.recorder.handle(opened(1))
        async with asyncio.timeout(3):
            await it.recorder.finish()
        it.mend_disk()


async def test_alarm_heard_while_the_radio_stops_is_recorded_though_the_disk_is_slow(tmp_path: Path) -> None:
    recorded: list[LockNotification] = []
    alarm = LockAlarm(LOCK, 4, AT)

    async def record(notification: LockNotification) -> None:
        await asyncio.sleep(0.3)
        recorded.append(notification)

    async def hear_an_alarm_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            recorder.handle(alarm)

    async with Opener(tmp_path / "gatewayd.db", Clock())() as store, Parts(random.Random(1)) as parts:
        recorder = EventRecorder(store.mirror, record_lock_notification=record, new_sn=lambda: "sn")
        parts.start("recorder", recorder.run, essential=True, finish=recorder.finish)
        parts.start("zigbee", hear_an_alarm_at_the_end)
        await asyncio.sleep(0)
    assert recorded == [alarm]


async def test_flood_of_a_lock_writes_few_bytes_and_its_last_event_is_recorded(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        for number in range(320 * 60):  # a minute of it
            it.recorder.handle(opened(number % 2))
        await it.recorder.flush()
        written = len(await it.users())
        assert written == 1_000
        await it.recorder.finish()
        assert (await it.users())[-2:] in ([0, 1], [1, 0])


async def test_fault_at_one_event_does_not_end_the_recorder(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:

        async def fail(_: LockNotification) -> None:
            raise OverflowError

        recorder = EventRecorder(it.store.mirror, record_lock_notification=fail, new_sn=lambda: "sn")
        running = asyncio.create_task(recorder.run())
        recorder.handle(opened(1))
        recorder.handle(DeviceLeft(LOCK, AT))
        await recorder.flush()
        assert it.store.mirror.get(LOCK) is None
        running.cancel()
