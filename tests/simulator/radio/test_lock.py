"""A door lock through bellows: PINs, schedules, events, alarms, and the log it keeps for a host that was away."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from gatewayd.simulator.radio.devices.lock import AlarmCode, EventSource, OperationCode, UserStatus, UserType
from gatewayd.simulator.radio.devices.lock.codes import (
    AUTO_RELOCK_TIME,
    DOOR_LOCK,
    NO_USER,
    OPERATING_MODE,
    LogEventType,
    ProgrammingCode,
)
from gatewayd.simulator.radio.devices.lock.event_log import LockLog
from gatewayd.simulator.radio.devices.lock.user_codes import CodeCheck, SetPinStatus, UserCodes
from tests.common.bellows_host import Host

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON_ZCL = int((NOON - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())


class Door:
    """A joined lock, what the host sees of it, and what it heard."""

    def __init__(self, lock: Lock, cluster: Any, alarms: Any, host: Host) -> None:
        self.lock, self.cluster, self.alarms, self.host = lock, cluster, alarms, host

    def operations(self) -> list[tuple[int, int, int]]:
        said = [args for command, args in self.host.ear.all("command") if command == 0x20]
        return [(one.operation_event_source, one.operation_event_code, one.user_id) for one in said]

    def alarm_codes(self) -> list[int]:
        return [args.alarm_code for command, args in self.host.ear.all("command") if command == 0x00]

    async def set_pin(self, user: int, pin: str, kind: UserType = UserType.UNRESTRICTED) -> int:
        answer = await self.cluster.set_pin_code(user, UserStatus.ENABLED, kind, pin)
        return int(answer.status)


@pytest.fixture
async def door(network: SimulatedNetwork, host: Host) -> Door:
    network.wall_clock = lambda: NOON
    device = network.add(lock("00158d0002a00002"))
    seen = await host.take_in(network, device)
    cluster, alarms = seen.endpoints[1].door_lock, seen.endpoints[1].in_clusters[0x0009]
    for one in (cluster, alarms):
        one.add_listener(host.ear)
        await one.bind()
    return Door(device, cluster, alarms, host)


async def test_a_lock_is_locked_and_unlocked_by_radio(door: Door) -> None:
    assert (await door.cluster.unlock_door()).status == 0
    assert not door.lock.is_locked()
    assert (await door.cluster.lock_door()).status == 0
    assert door.lock.is_locked()
    await door.host.ear.until(lambda: len(door.operations()) == 2)
    assert door.operations() == [
        (EventSource.RF, OperationCode.UNLOCK, NO_USER),
        (EventSource.RF, OperationCode.LOCK, NO_USER),
    ]


async def test_a_lock_that_wants_a_pin_by_radio_refuses_without_it(door: Door) -> None:
    await door.set_pin(1, "123456")
    await door.cluster.write_attributes({"require_pin_for_rf_operation": True})
    assert (await door.cluster.unlock_door()).status == 1
    assert (await door.cluster.unlock_door("999999")).status == 1
    assert door.lock.is_locked()
    assert (await door.cluster.unlock_door("123456")).status == 0
    assert not door.lock.is_locked()


async def test_a_pin_that_is_set_opens_the_door_and_the_lock_says_who(door: Door) -> None:
    assert await door.set_pin(3, "123456") == SetPinStatus.SET.value
    assert door.lock.enter_pin("123456")
    await door.host.ear.until(lambda: (EventSource.KEYPAD, OperationCode.UNLOCK, 3) in door.operations())
    heard = [args for command, args in door.host.ear.all("command") if command == 0x20]
    assert heard[-1].local_time == NOON_ZCL
    assert heard[-1].pin == ""


async def test_pins_are_read_back_and_cleared(door: Door) -> None:
    await door.set_pin(3, "123456")
    kept = await door.cluster.get_pin_code(3)
    assert (kept.user_id, kept.user_status, kept.user_type, kept.code) == (3, 1, 0, "123456")
    assert (await door.cluster.clear_pin_code(3)).status == 0
    gone = await door.cluster.get_pin_code(3)
    assert (gone.user_status, gone.code) == (0, "")
    assert not door.lock.enter_pin("123456")
    programmed = [args.program_event_code for command, args in door.host.ear.all("command") if command == 0x21]
    assert programmed == [ProgrammingCode.PIN_ADDED, ProgrammingCode.PIN_DELETED]


async def test_a_disabled_user_stays_outside(door: Door) -> None:
    await door.set_pin(3, "123456")
    await door.cluster.set_user_status(3, UserStatus.DISABLED)
    assert (await door.cluster.get_user_status(3)).user_status == UserStatus.DISABLED
    assert not door.lock.enter_pin("123456")


async def test_a_year_day_user_enters_in_his_time_alone(network: SimulatedNetwork, door: Door) -> None:
    await door.set_pin(4, "445566", UserType.YEAR_DAY)
    assert (await door.cluster.set_year_day_schedule(0, 4, NOON_ZCL, NOON_ZCL + 3600)).status == 0
    kept = await door.cluster.get_year_day_schedule(0, 4)
    assert (kept.local_start_time, kept.local_end_time) == (NOON_ZCL, NOON_ZCL + 3600)
    assert door.lock.enter_pin("445566")

    network.wall_clock = lambda: NOON.replace(hour=14)
    assert not door.lock.enter_pin("445566")
    await door.host.ear.until(
        lambda: (EventSource.KEYPAD, OperationCode.UNLOCK_OUT_OF_SCHEDULE, 4) in door.operations()
    )

    network.wall_clock = lambda: NOON
    assert (await door.cluster.clear_year_day_schedule(0, 4)).status == 0
    assert not door.lock.enter_pin("445566")


async def test_too_many_wrong_codes_raise_an_alarm_and_close_the_keypad(door: Door) -> None:
    await door.set_pin(1, "123456")
    door.lock.enter_wrong_pins(5)
    await door.host.ear.until(lambda: door.alarm_codes() == [AlarmCode.WRONG_CODE_LIMIT])
    assert door.operations().count((EventSource.KEYPAD, OperationCode.UNLOCK_WRONG_PIN, NO_USER)) == 5
    assert not door.lock.enter_pin("123456")


async def test_a_duress_code_opens_as_usual_and_alarms(door: Door) -> None:
    await door.set_pin(9, "999111", UserType.FORCED)
    assert door.lock.enter_pin("999111")
    await door.host.ear.until(lambda: door.alarm_codes() == [AlarmCode.FORCED_USER])
    assert (EventSource.KEYPAD, OperationCode.UNLOCK, 9) in door.operations()


async def test_prying_jamming_and_forcing_alarm(door: Door) -> None:
    door.lock.pry()
    door.lock.jam()
    door.lock.force_open()
    await door.host.ear.until(lambda: len(door.alarm_codes()) == 3)
    assert door.alarm_codes() == [AlarmCode.ESCUTCHEON_REMOVED, AlarmCode.JAMMED, AlarmCode.FORCED_OPEN]


async def test_a_masked_alarm_stays_silent(door: Door) -> None:
    await door.cluster.write_attributes({"alarm_mask": 0x0020})
    door.lock.jam()
    door.lock.pry()
    await door.host.ear.until(lambda: door.alarm_codes() == [AlarmCode.ESCUTCHEON_REMOVED])


async def test_fingers_keys_and_knobs_say_where_they_came_from(door: Door) -> None:
    door.lock.use_fingerprint(2)
    door.lock.turn_key(lock=True)
    door.lock.turn_knob()
    await door.host.ear.until(lambda: len(door.operations()) == 3)
    assert door.operations() == [
        (EventSource.FINGERPRINT, OperationCode.UNLOCK, 2),
        (EventSource.MANUAL, OperationCode.KEY_LOCK, NO_USER),
        (EventSource.MANUAL, OperationCode.MANUAL_UNLOCK, NO_USER),
    ]


async def test_an_unlock_with_a_timeout_locks_again_by_itself(door: Door) -> None:
    await door.cluster.unlock_with_timeout(1)
    assert not door.lock.is_locked()
    await door.host.ear.until(
        lambda: (EventSource.INDETERMINATE, OperationCode.AUTO_LOCK, NO_USER) in door.operations()
    )
    assert door.lock.is_locked()


@pytest.mark.parametrize(("mode", "locks_again"), [(0, True), (4, False)], ids=["normal", "passage"])
def test_a_door_locks_by_itself_unless_it_is_a_passage(mode: int, locks_again: bool) -> None:
    now = [0.0]
    network = SimulatedNetwork(now=lambda: now[0])
    door = network.add(lock("00158d0002a00002"), joined=True)
    door.set_attribute(1, DOOR_LOCK, AUTO_RELOCK_TIME, 30)
    door.set_attribute(1, DOOR_LOCK, OPERATING_MODE, mode)
    door.turn_knob()
    now[0] = 31.0
    network.scheduler.run_due()
    assert door.is_locked() is locks_again


async def test_the_lock_tells_its_limits(door: Door) -> None:
    wanted = ["num_of_pin_users_supported", "max_pin_len", "min_pin_len", "num_of_lock_records_supported"]
    values, _ = await door.cluster.read_attributes(wanted)
    assert [values[name] for name in wanted] == [20, 10, 4, 50]
    assert await door.set_pin(1, "123") == SetPinStatus.FAILED.value
    assert await door.set_pin(1, "123456") == SetPinStatus.SET.value
    assert await door.set_pin(2, "123456") == SetPinStatus.DUPLICATE.value
    assert await door.set_pin(99, "654321") == SetPinStatus.FAILED.value


async def test_a_host_that_was_away_reads_what_happened_from_the_log(network: SimulatedNetwork, door: Door) -> None:
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
    assert missing.status == 0x8B


async def test_a_lock_with_logging_off_keeps_no_log(door: Door) -> None:
    await door.cluster.write_attributes({"enable_logging": False})
    door.lock.turn_key()
    assert list(door.lock.log.records) == []


def test_a_full_journal_writes_over_the_oldest() -> None:
    log = LockLog(3)
    for code in range(5):
        log.write(1000 + code, LogEventType.OPERATION, 0, code, user=1, pin=b"")
    assert [record.index for record in log.records] == [3, 1, 2]
    assert log.read(4) is None
    newest = log.read(0)
    assert newest is not None
    assert newest.code == 4


@pytest.mark.parametrize(
    ("kind", "at", "verdict"),
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
def test_who_may_enter_when(kind: UserType, at: int, verdict: CodeCheck) -> None:
    user_codes = UserCodes(slots=20, shortest=4, longest=10, schedules=2)
    assert user_codes.set_pin(1, UserStatus.ENABLED, kind, b"1234") is SetPinStatus.SET
    user_codes.users[1].schedules[0] = (100, 200)
    assert user_codes.check(user_codes.find(b"1234"), at) is verdict
    assert user_codes.check(user_codes.find(b"4321"), at) is CodeCheck.WRONG
