"""A door lock with bellows as its host: PINs, schedules, events, alarms, and its log."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from gatewayd.simulator.radio.devices.lock import AlarmCode, EventSource, OperationCode, UserStatus, UserType
from gatewayd.simulator.radio.devices.lock.codes import (
    ALARM,
    ALARMS,
    AUTO_RELOCK_TIME,
    DOOR_LOCK,
    NO_USER,
    OPERATING_MODE,
    PASSAGE,
    DoorLockCommand,
    LogEventType,
    ProgrammingCode,
)
from gatewayd.simulator.radio.devices.lock.event_log import LockLog
from gatewayd.simulator.radio.devices.lock.user_codes import CodeCheck, SetPinStatus, UserCodes
from gatewayd.simulator.radio.zcl import ZclStatus
from tests.common.bellows_host import BellowsHost

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON_ZCL = int((NOON - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())


class JoinedLock:
    """A joined lock, its clusters as zigpy has them, and the events that the host has received."""

    def __init__(self, lock: Lock, cluster: Any, alarms: Any, host: BellowsHost) -> None:
        self.lock, self.cluster, self.alarms, self.host = lock, cluster, alarms, host

    def received(self, command: int) -> list[Any]:
        return [args for number, args in self.host.listener.all("command") if number == command]

    def operations(self) -> list[tuple[int, int, int]]:
        events = self.received(DoorLockCommand.OPERATION_EVENT_NOTIFICATION)
        return [(one.operation_event_source, one.operation_event_code, one.user_id) for one in events]

    def alarm_codes(self) -> list[int]:
        return [args.alarm_code for args in self.received(ALARM)]

    async def set_pin(self, user: int, pin: str, type_: UserType = UserType.UNRESTRICTED) -> int:
        answer = await self.cluster.set_pin_code(user, UserStatus.ENABLED, type_, pin)
        return int(answer.status)


@pytest.fixture
async def door(network: SimulatedNetwork, host: BellowsHost) -> JoinedLock:
    network.wall_clock = lambda: NOON
    device = network.add(lock("00158d0002a00002"))
    zigpy_device = await host.join(network, device)
    cluster, alarms = zigpy_device.endpoints[1].door_lock, zigpy_device.endpoints[1].in_clusters[ALARMS]
    for one in (cluster, alarms):
        one.add_listener(host.listener)
        await one.bind()
    return JoinedLock(device, cluster, alarms, host)


async def test_lock_is_locked_and_unlocked_by_command(door: JoinedLock) -> None:
    assert (await door.cluster.unlock_door()).status == 0
    assert not door.lock.is_locked()
    assert (await door.cluster.lock_door()).status == 0
    assert door.lock.is_locked()
    await door.host.listener.wait_until(lambda: len(door.operations()) == 2)
    assert door.operations() == [
        (EventSource.RF, OperationCode.UNLOCK, NO_USER),
        (EventSource.RF, OperationCode.LOCK, NO_USER),
    ]


async def test_lock_requiring_pin_refuses_command_without_it(door: JoinedLock) -> None:
    await door.set_pin(1, "123456")
    await door.cluster.write_attributes({"require_pin_for_rf_operation": True})
    assert (await door.cluster.unlock_door()).status == 1
    assert (await door.cluster.unlock_door("999999")).status == 1
    assert door.lock.is_locked()
    assert (await door.cluster.unlock_door("123456")).status == 0
    assert not door.lock.is_locked()


async def test_set_pin_unlocks_and_event_names_user(door: JoinedLock) -> None:
    assert await door.set_pin(3, "123456") == SetPinStatus.SET.value
    assert door.lock.enter_pin("123456")
    await door.host.listener.wait_until(lambda: (EventSource.KEYPAD, OperationCode.UNLOCK, 3) in door.operations())
    event = door.received(DoorLockCommand.OPERATION_EVENT_NOTIFICATION)[-1]
    assert event.local_time == NOON_ZCL
    assert event.pin == ""


async def test_pin_is_read_back_and_cleared(door: JoinedLock) -> None:
    await door.set_pin(3, "123456")
    stored = await door.cluster.get_pin_code(3)
    assert (stored.user_id, stored.user_status, stored.user_type, stored.code) == (3, 1, 0, "123456")
    assert (await door.cluster.clear_pin_code(3)).status == 0
    gone = await door.cluster.get_pin_code(3)
    assert (gone.user_status, gone.code) == (0, "")
    assert not door.lock.enter_pin("123456")
    programmed = door.received(DoorLockCommand.PROGRAMMING_EVENT_NOTIFICATION)
    assert [args.program_event_code for args in programmed] == [ProgrammingCode.PIN_ADDED, ProgrammingCode.PIN_DELETED]


async def test_pin_of_disabled_user_is_refused(door: JoinedLock) -> None:
    await door.set_pin(3, "123456")
    await door.cluster.set_user_status(3, UserStatus.DISABLED)
    assert (await door.cluster.get_user_status(3)).user_status == UserStatus.DISABLED
    assert not door.lock.enter_pin("123456")


async def test_year_day_user_enters_only_within_schedule(network: SimulatedNetwork, door: JoinedLock) -> None:
    await door.set_pin(4, "445566", UserType.YEAR_DAY)
    assert (await door.cluster.set_year_day_schedule(0, 4, NOON_ZCL, NOON_ZCL + 3600)).status == 0
    stored = await door.cluster.get_year_day_schedule(0, 4)
    assert (stored.local_start_time, stored.local_end_time) == (NOON_ZCL, NOON_ZCL + 3600)
    assert door.lock.enter_pin("445566")

    network.wall_clock = lambda: NOON.replace(hour=14)
    assert not door.lock.enter_pin("445566")
    await door.host.listener.wait_until(
        lambda: (EventSource.KEYPAD, OperationCode.UNLOCK_OUT_OF_SCHEDULE, 4) in door.operations()
    )

    network.wall_clock = lambda: NOON
    assert (await door.cluster.clear_year_day_schedule(0, 4)).status == 0
    assert not door.lock.enter_pin("445566")


async def test_wrong_code_limit_raises_alarm_and_disables_keypad(door: JoinedLock) -> None:
    await door.set_pin(1, "123456")
    door.lock.enter_wrong_pins(5)
    await door.host.listener.wait_until(lambda: door.alarm_codes() == [AlarmCode.WRONG_CODE_LIMIT])
    assert door.operations().count((EventSource.KEYPAD, OperationCode.UNLOCK_WRONG_PIN, NO_USER)) == 5
    assert not door.lock.enter_pin("123456")


async def test_duress_code_unlocks_and_raises_alarm(door: JoinedLock) -> None:
    await door.set_pin(9, "999111", UserType.FORCED)
    assert door.lock.enter_pin("999111")
    await door.host.listener.wait_until(lambda: door.alarm_codes() == [AlarmCode.FORCED_USER])
    assert (EventSource.KEYPAD, OperationCode.UNLOCK, 9) in door.operations()


async def test_lock_raises_alarm_when_pried_jammed_or_forced(door: JoinedLock) -> None:
    door.lock.pry()
    door.lock.jam()
    door.lock.force_open()
    await door.host.listener.wait_until(lambda: len(door.alarm_codes()) == 3)
    assert door.alarm_codes() == [AlarmCode.ESCUTCHEON_REMOVED, AlarmCode.JAMMED, AlarmCode.FORCED_OPEN]


async def test_masked_alarm_is_not_sent(door: JoinedLock) -> None:
    await door.cluster.write_attributes({"alarm_mask": 1 << AlarmCode.ESCUTCHEON_REMOVED})
    door.lock.jam()
    door.lock.pry()
    await door.host.listener.wait_until(lambda: door.alarm_codes() == [AlarmCode.ESCUTCHEON_REMOVED])


async def test_operation_event_has_source_of_operation(door: JoinedLock) -> None:
    door.lock.use_fingerprint(2)
    door.lock.turn_key(lock=True)
    door.lock.turn_knob()
    await door.host.listener.wait_until(lambda: len(door.operations()) == 3)
    assert door.operations() == [
        (EventSource.FINGERPRINT, OperationCode.UNLOCK, 2),
        (EventSource.MANUAL, OperationCode.KEY_LOCK, NO_USER),
        (EventSource.MANUAL, OperationCode.MANUAL_UNLOCK, NO_USER),
    ]


async def test_unlock_with_timeout_locks_again(door: JoinedLock) -> None:
    await door.cluster.unlock_with_timeout(1)
    assert not door.lock.is_locked()
    await door.host.listener.wait_until(
        lambda: (EventSource.INDETERMINATE, OperationCode.AUTO_LOCK, NO_USER) in door.operations()
    )
    assert door.lock.is_locked()


@pytest.mark.parametrize(("mode", "locks_again"), [(0, True), (PASSAGE, False)], ids=["normal", "passage"])
def test_auto_relock_depends_on_operating_mode(mode: int, locks_again: bool) -> None:
    now = [0.0]
    network = SimulatedNetwork(now=lambda: now[0])
    door = network.add(lock("00158d0002a00002"), joined=True)
    door.set_attribute(1, DOOR_LOCK, AUTO_RELOCK_TIME, 30)
    door.set_attribute(1, DOOR_LOCK, OPERATING_MODE, mode)
    door.turn_knob()
    now[0] = 31.0
    network.scheduler.run_due()
    assert door.is_locked() is locks_again


async def test_lock_enforces_limits_that_it_reports(door: JoinedLock) -> None:
    names = ["num_of_pin_users_supported", "max_pin_len", "min_pin_len", "num_of_lock_records_supported"]
    values, _ = await door.cluster.read_attributes(names)
    assert [values[name] for name in names] == [20, 10, 4, 50]
    assert await door.set_pin(1, "123") == SetPinStatus.FAILED.value
    assert await door.set_pin(1, "123456") == SetPinStatus.SET.value
    assert await door.set_pin(2, "123456") == SetPinStatus.DUPLICATE.value
    assert await door.set_pin(99, "654321") == SetPinStatus.FAILED.value


async def test_host_reads_missed_events_from_log(network: SimulatedNetwork, door: JoinedLock) -> None:
    await door.set_pin(3, "123456")
    network.faults.make_unreachable(door.lock.ieee)
    door.lock.enter_pin("123456")
    door.lock.pry()
    network.faults.clear()

    newest = await door.cluster.get_log_record(0)
    assert (newest.log_entry_id, newest.event_type, newest.event_id_or_alarm_code) == (
        3,
        2,
        AlarmCode.ESCUTCHEON_REMOVED,
    )
    before = await door.cluster.get_log_record(2)
    assert (before.event_type, before.source, before.event_id_or_alarm_code) == (
        0,
        EventSource.KEYPAD,
        OperationCode.UNLOCK,
    )
    assert (before.user_id, before.timestamp) == (3, NOON_ZCL)
    missing = await door.cluster.get_log_record(99)
    assert missing.status == ZclStatus.NOT_FOUND


async def test_lock_with_logging_disabled_records_nothing(door: JoinedLock) -> None:
    await door.cluster.write_attributes({"enable_logging": False})
    door.lock.turn_key()
    assert list(door.lock.log.records) == []


def test_full_log_overwrites_oldest_record() -> None:
    log = LockLog(3)
    for code in range(5):
        log.write(1000 + code, LogEventType.OPERATION, 0, code, user=1, pin=b"")
    assert [record.index for record in log.records] == [3, 1, 2]
    assert log.read(4) is None
    newest = log.read(0)
    assert newest is not None
    assert newest.code == 4


@pytest.mark.parametrize(
    ("type_", "at", "expected"),
    [
        (UserType.UNRESTRICTED, 0, CodeCheck.VALID),
        (UserType.YEAR_DAY, 50, CodeCheck.OUT_OF_SCHEDULE),
        (UserType.YEAR_DAY, 100, CodeCheck.VALID),
        (UserType.YEAR_DAY, 200, CodeCheck.VALID),
        (UserType.YEAR_DAY, 201, CodeCheck.OUT_OF_SCHEDULE),
        (UserType.NON_ACCESS, 150, CodeCheck.OUT_OF_SCHEDULE),
        (UserType.FORCED, 0, CodeCheck.VALID),
    ],
)
def test_code_check_depends_on_user_type_and_schedule(type_: UserType, at: int, expected: CodeCheck) -> None:
    user_codes = UserCodes(slots=20, shortest=4, longest=10, schedules=2)
    assert user_codes.set_pin(1, UserStatus.ENABLED, type_, b"1234") is SetPinStatus.SET
    user_codes.users[1].schedules[0] = (100, 200)
    assert user_codes.check(user_codes.find(b"1234"), at) is expected
    assert user_codes.check(user_codes.find(b"4321"), at) is CodeCheck.WRONG
