"""A lock that sends too much is limited: what of it waits then is neither lost nor told twice when its log is read."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from zigpy.zcl.clusters.closures import DoorLock

from gatewayd.locks.events import LockEvents
from gatewayd.model.event import LockEvent, LockSource
from gatewayd.model.ids import Uuid
from gatewayd.token_bucket import Rate
from gatewayd.zigbee.event_limit import EventLimit
from gatewayd.zigbee.event_recorder import EventRecorder
from tests.common.store import LOCK, Clock, Opener, lock

AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NOW = 831_000_000  # stamps are read from a little before the lock joined


def opened(user: int) -> LockEvent:
    return LockEvent(LOCK, LockSource.KEYPAD, DoorLock.OperationEvent.Unlock, user, AT, NOW + user)


class LogReader:
    """A lock's log with `logged`; `meanwhile` is called once it has been read."""

    def __init__(self, *logged: LockEvent, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._logged = logged
        self._meanwhile = meanwhile

    async def read_lock_log(self, _uuid: Uuid, _since: int | None) -> tuple[LockEvent, ...]:
        self._meanwhile()
        return self._logged


@pytest.mark.parametrize(
    ("before", "logged", "meanwhile", "recorded"),
    [
        ((1, 2), (1, 2), (), [1, 2]),  # 2 is held, and told from the log
        ((1, 2), (), (), [1, 2]),  # the lock has no log
        ((1,), (1,), (2,), [1, 2]),  # 2 happens while the log is read: it has not got it
        ((1, 2), (1, 2, 3), (4,), [1, 2, 3, 4]),
    ],
)
async def test_every_operation_is_recorded_once(
    tmp_path: Path, before: tuple[int, ...], logged: tuple[int, ...], meanwhile: tuple[int, ...], recorded: list[int]
) -> None:
    def happen_meanwhile() -> None:
        for user in meanwhile:
            recorder.handle(opened(user))

    async with Opener(tmp_path / "gatewayd.db", Clock())() as store:
        await store.mirror.put(lock())
        events = LockEvents(
            store.mirror,
            store.locks,
            store.facts,
            LogReader(*map(opened, logged), meanwhile=happen_meanwhile),
            flush_notifications=lambda uuid, found: recorder.flush_lock(uuid, found),  # noqa: PLW0108  (made below)
            now=lambda: AT,
            zone=UTC,
            new_sn=lambda: "sn",
        )
        recorder = EventRecorder(
            store.mirror,
            record_lock_notification=events.record,
            new_sn=lambda: "sn",
            limit=EventLimit(Rate(per_s=1 / 600, burst=1)),
        )
        running = asyncio.create_task(recorder.run())
        for user in before:
            recorder.handle(opened(user))
        await events.recover_missed(LOCK)
        await recorder.finish()
        assert [event.user for event in await store.locks.stamped_events(LOCK)] == recorded
        running.cancel()
