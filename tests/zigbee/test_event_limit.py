"""How many events of one device are recorded, and which stand for the others."""

from datetime import UTC, datetime

import pytest
from zigpy.zcl.clusters.closures import DoorLock

from gatewayd.model.event import AvailabilityChanged, LockAlarm, LockEvent, LockSource, RadioUp
from gatewayd.model.ids import Uuid
from gatewayd.token_bucket import Rate
from gatewayd.zigbee.event_limit import EventLimit, LimitChange

DOOR, OTHER = Uuid("00158d0003b00001"), Uuid("00158d0003b00002")
AT = datetime(2026, 12, 24, tzinfo=UTC)
RATE = Rate(per_s=0.1, burst=3)


def opened(user: int = 1, lock_time: int | None = None, uuid: Uuid = DOOR) -> LockEvent:
    return LockEvent(uuid, LockSource.KEYPAD, DoorLock.OperationEvent.Unlock, user, AT, lock_time)


def test_events_within_the_rate_are_all_admitted() -> None:
    limit = EventLimit(RATE)
    assert all(limit.admit(opened(), now) for now in (0, 0, 0, 10, 20, 20.1, 30) if now != 20.1)
    assert limit.take_changes() == ()


def test_flood_is_coalesced_to_the_newest_of_each_kind_at_the_rate() -> None:
    limit = EventLimit(RATE)
    admitted = sum(limit.admit(opened(user, stamp), stamp / 320) for stamp in range(3200) for user in (1, 2))
    assert admitted == 3
    assert limit.due(9.9) == ()
    assert limit.next_due(9.9) == pytest.approx(10.0)
    (first,) = limit.due(10.0)
    (second,) = limit.due(20.0)
    assert {first, second} == {opened(1, 3199), opened(2, 3199)}
    assert limit.next_due(20.0) is None
    assert limit.take_changes() == (
        LimitChange(DOOR, is_limited=True),
        LimitChange(DOOR, is_limited=False, coalesced=6400 - 3 - 2),
    )


def test_alarm_is_not_held_by_a_flood_of_operations_and_no_other_device_is() -> None:
    limit = EventLimit(RATE)
    for _ in range(10):
        limit.admit(opened(), 0)
    assert limit.admit(LockAlarm(DOOR, 4, AT), 0)
    assert limit.admit(opened(uuid=OTHER), 0)
    assert limit.admit(RadioUp.__new__(RadioUp), 0)


def test_held_event_is_not_overtaken_by_a_later_one() -> None:
    limit = EventLimit(RATE)
    for online in (True, False) * 5:
        limit.admit(AvailabilityChanged(DOOR, online, AT), 0)
    assert not limit.admit(opened(), 10)
    assert limit.due(10) == (AvailabilityChanged(DOOR, online=False, at=AT),)
    assert limit.due(20) == (opened(),)


def test_kinds_that_are_held_are_bounded() -> None:
    limit = EventLimit(RATE)
    for user in range(65_536):
        limit.admit(opened(user), 0)
    assert len(limit.release()) == 64
    assert limit.release() == ()


def test_held_operations_are_dropped_where_the_locks_log_has_them() -> None:
    limit = EventLimit(RATE)
    for event in (*[opened()] * 3, opened(1, 7), opened(2, None), opened(3, 9)):
        limit.admit(event, 0)
    limit.drop_logged(DOOR, [opened(1, 7), opened(2, 8), opened(3, 8)])
    assert limit.release() == (opened(2, None), opened(3, 9))
