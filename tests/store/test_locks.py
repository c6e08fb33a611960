"""Lock events with the lock's own time, and keys in slots."""

import pytest
from zigpy.zcl.clusters.closures import DoorLock

from gatewayd.model.change import Change
from gatewayd.model.errors import UnknownDeviceError
from gatewayd.model.event import LockAlarm, LockEvent, LockSource
from gatewayd.model.lock import KeyState, LockKey
from gatewayd.model.outbox_items import Route
from gatewayd.store.store import Store
from tests.common.store import LOCK, T0, Opener, lock, notice

WRONG_CODE_LIMIT = 4  # ZCL 7.3.2.14, Alarm Mask: the bit of the alarm code


def opened(lock_time: int | None, user: int = 3) -> LockEvent:
    return LockEvent(LOCK, LockSource.KEYPAD, DoorLock.OperationEvent.Unlock, user, T0, lock_time)


async def test_event_its_change_and_its_notice_survive_together(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(lock())
        await store.locks.add_event(opened(100), (Change("operate", 1),), notice("1"))
    async with reopen() as store:
        assert await store.locks.stamped_events(LOCK) == (opened(100),)
        record = store.mirror.get(LOCK)
        assert record is not None
        assert record.param.operate == 1  # type: ignore[union-attr]  # a lock's
        assert [row.item for row in await store.outbox.take(Route.MQTT)] == [notice("1")]


async def test_only_events_with_the_locks_own_time_are_kept_for_comparison(store: Store) -> None:
    await store.mirror.put(lock())
    for notification in (opened(None), LockAlarm(LOCK, WRONG_CODE_LIMIT, T0), opened(7), opened(5)):
        await store.locks.add_event(notification, ())
    assert await store.locks.stamped_events(LOCK) == (opened(7), opened(5))


async def test_event_of_unknown_lock_is_refused_with_its_notice(store: Store) -> None:
    with pytest.raises(UnknownDeviceError):
        await store.locks.add_event(opened(100), (), notice("1"))
    assert await store.locks.stamped_events(LOCK) == ()


async def test_keys_survive_in_slot_order_until_they_are_dropped(reopen: Opener) -> None:
    first, second = (LockKey(LOCK, slot, 0, f"key {slot}", KeyState.SET) for slot in (1, 2))
    async with reopen() as store:
        await store.locks.put_key(second)
        await store.locks.put_key(LockKey(LOCK, 1, 0, "key 1", KeyState.PENDING))
        await store.locks.put_key(first)
    async with reopen() as store:
        assert store.locks.keys_of(LOCK) == (first, second)
        await store.locks.drop_key(LOCK, 1)
    async with reopen() as store:
        assert store.locks.keys_of(LOCK) == (second,)
