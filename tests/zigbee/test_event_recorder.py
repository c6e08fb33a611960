"""Events are recorded in order; a fault with one does not keep the next from being recorded."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from gatewayd.model.event import DeviceLeft, LockNotification
from gatewayd.store.store import Store
from gatewayd.zigbee.event_recorder import EventRecorder
from tests.common.store import KEY, LOCK, lock


def now() -> datetime:
    return datetime.now(UTC)


async def test_fault_with_one_event_leaves_the_next_recorded(tmp_path: Path) -> None:
    async def fault(_: LockNotification) -> None:
        raise ZeroDivisionError

    def no_serial_number() -> str:
        return {1: "sn"}[len(calls)]

    calls: list[int] = []
    async with Store.open(tmp_path / "gatewayd.db", now=now, zone=UTC, key=KEY) as store:
        await store.mirror.put(lock())
        recorder = EventRecorder(store.mirror, record_lock_notification=fault, new_sn=no_serial_number)
        running = asyncio.create_task(recorder.run())
        recorder.handle(DeviceLeft(LOCK, now()))  # KeyError
        await recorder.flush(5)
        assert store.mirror.get(LOCK) is not None
        calls.append(1)
        recorder.handle(DeviceLeft(LOCK, now()))
        await recorder.flush(5)
        assert store.mirror.get(LOCK) is None
        running.cancel()


async def test_flush_of_a_recorder_that_has_ended_returns_in_time(tmp_path: Path) -> None:
    async def ignore(_: LockNotification) -> None: ...

    async with Store.open(tmp_path / "gatewayd.db", now=now, zone=UTC, key=KEY) as store:
        recorder = EventRecorder(store.mirror, record_lock_notification=ignore, new_sn=lambda: "sn")
        recorder.handle(DeviceLeft(LOCK, now()))
        async with asyncio.timeout(5):
            await recorder.flush(0.05)
