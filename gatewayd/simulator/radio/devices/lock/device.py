"""A running door lock: what is done to it by hand, code or radio, what it does then, and the events that it sends."""

import struct
from typing import Any

from gatewayd.simulator.radio.device import Description, Device, DeviceNetwork
from gatewayd.simulator.radio.devices.common import BATTERY_PERCENTAGE, POWER_CONFIGURATION
from gatewayd.simulator.radio.devices.lock.codes import (
    ALARM,
    ALARM_MASK,
    ALARMS,
    AUTO_RELOCK_TIME,
    DISABLE_TIME,
    DOOR_LOCK,
    DOOR_STATE,
    ENABLE_LOGGING,
    LOCK_STATE,
    LOG_RECORDS,
    MAX_PIN_LENGTH,
    MIN_PIN_LENGTH,
    NO_USER,
    OPERATING_MODE,
    PASSAGE,
    PIN_USERS,
    REQUIRE_PIN,
    SEND_PIN,
    WRONG_CODE_LIMIT,
    YEAR_DAY_SCHEDULES,
    AlarmCode,
    DoorLockCommand,
    DoorState,
    EventSource,
    LockState,
    LogEventType,
    OperationCode,
    ProgrammingCode,
    UserStatus,
    UserType,
)
from gatewayd.simulator.radio.devices.lock.event_log import LockLog
from gatewayd.simulator.radio.devices.lock.user_codes import CodeCheck, SetPinStatus, UserCodes
from gatewayd.simulator.radio.scheduler import ScheduledAction

_REFUSALS = {
    (True, CodeCheck.WRONG): OperationCode.LOCK_WRONG_PIN,
    (True, CodeCheck.OUT_OF_SCHEDULE): OperationCode.LOCK_OUT_OF_SCHEDULE,
    (False, CodeCheck.WRONG): OperationCode.UNLOCK_WRONG_PIN,
    (False, CodeCheck.OUT_OF_SCHEDULE): OperationCode.UNLOCK_OUT_OF_SCHEDULE,
}
_ALARM_BITS = {code: 1 << code for code in AlarmCode if code <= AlarmCode.FORCED_OPEN}


class Lock(Device):
    """`user_codes` are its users, `log` is its event log."""

    def __init__(self, description: Description[Any], nwk: int, network: DeviceNetwork) -> None:
        super().__init__(description, nwk, network)
        setting = self._setting
        self.user_codes = UserCodes(
            setting(PIN_USERS), setting(MIN_PIN_LENGTH), setting(MAX_PIN_LENGTH), setting(YEAR_DAY_SCHEDULES)
        )
        self.log = LockLog(setting(LOG_RECORDS))
        self._wrong_codes = 0
        self._keypad_off_until = 0.0
        self._relock: ScheduledAction | None = None

    def is_locked(self) -> bool:
        return self.int_value(1, DOOR_LOCK, LOCK_STATE) == LockState.LOCKED

    # By hand and by code.

    def enter_pin(self, pin: str, *, lock: bool = False) -> bool:
        """Type a code on the keypad, to unlock or to lock; returns whether the bolt moved."""
        if self.network.scheduler.now() < self._keypad_off_until:
            return False
        return self.operate(EventSource.KEYPAD, self.user_codes.find(pin.encode()), pin.encode(), lock=lock)

    def enter_wrong_pins(self, count: int = 5, pin: str = "000000") -> None:
        """Type a code that belongs to no user, so many times."""
        for _ in range(count):
            self.enter_pin(pin)

    def use_fingerprint(self, user: int) -> bool:
        return self.operate(EventSource.FINGERPRINT, user, b"", lock=False)

    def use_card(self, user: int) -> bool:
        return self.operate(EventSource.RFID, user, b"", lock=False)

    def turn_key(self, *, lock: bool = False) -> None:
        """The mechanical key, from outside."""
        self.move_bolt(
            EventSource.MANUAL, OperationCode.KEY_LOCK if lock else OperationCode.KEY_UNLOCK, NO_USER, lock=lock
        )

    def turn_knob(self, *, lock: bool = False) -> None:
        """The thumbturn, from inside."""
        self.move_bolt(
            EventSource.MANUAL, OperationCode.MANUAL_LOCK if lock else OperationCode.MANUAL_UNLOCK, NO_USER, lock=lock
        )

    def pry(self) -> None:
        """The front is broken off."""
        self.raise_alarm(AlarmCode.ESCUTCHEON_REMOVED)

    def force_open(self) -> None:
        """The door is kicked in while locked."""
        self.set_attribute(1, DOOR_LOCK, DOOR_STATE, DoorState.FORCED_OPEN)
        self.raise_alarm(AlarmCode.FORCED_OPEN)

    def jam(self) -> None:
        """The bolt sticks half-way."""
        self.set_attribute(1, DOOR_LOCK, LOCK_STATE, LockState.NOT_FULLY_LOCKED)
        self.raise_alarm(AlarmCode.JAMMED)

    def open_door(self) -> None:
        self.set_attribute(1, DOOR_LOCK, DOOR_STATE, DoorState.OPEN)

    def close_door(self) -> None:
        self.set_attribute(1, DOOR_LOCK, DOOR_STATE, DoorState.CLOSED)

    def set_battery(self, percent: int) -> None:
        self.set_attribute(1, POWER_CONFIGURATION, BATTERY_PERCENTAGE, 2 * percent)

    # What it does.

    def operate(self, source: EventSource, user: int | None, pin: bytes, *, lock: bool) -> bool:
        """A user identifies himself (None: not recognized): move the bolt or refuse; returns which."""
        user_id = NO_USER if user is None else user
        if source in {EventSource.FINGERPRINT, EventSource.RFID}:
            check = CodeCheck.VALID if user is not None and user != NO_USER else CodeCheck.WRONG
        else:
            check = self.user_codes.check(user, self.network.local_time())
        if check is not CodeCheck.VALID:
            self._send_operation_event(source, _REFUSALS[lock, check], user_id, pin)
            self._count_wrong_code(source, check)
            return False
        self._wrong_codes = 0
        self.move_bolt(source, OperationCode.LOCK if lock else OperationCode.UNLOCK, user_id, pin, lock=lock)
        if source is EventSource.KEYPAD and user is not None and self.user_codes.users[user].type == UserType.FORCED:
            self.raise_alarm(AlarmCode.FORCED_USER)
        return True

    def operate_by_radio(self, pin: bytes, *, lock: bool, relock_after: int = 0) -> bool:
        """Lock or unlock for a command, with the PIN where the lock requires one; returns whether the bolt moved."""
        if pin or self._setting(REQUIRE_PIN):
            moved = self.operate(EventSource.RF, self.user_codes.find(pin), pin, lock=lock)
        else:
            self.move_bolt(EventSource.RF, OperationCode.LOCK if lock else OperationCode.UNLOCK, NO_USER, lock=lock)
            moved = True
        if moved and relock_after:
            self._schedule_relock(relock_after)
        return moved

    def move_bolt(self, source: EventSource, event: OperationCode, user: int, pin: bytes = b"", *, lock: bool) -> None:
        """Move the bolt and send the event; unlocked, it locks again after the auto-relock time."""
        if self._relock is not None:
            self._relock.cancel()
            self._relock = None
        self.set_attribute(1, DOOR_LOCK, LOCK_STATE, LockState.LOCKED if lock else LockState.UNLOCKED)
        self._send_operation_event(source, event, user, pin)
        relock_time = self._setting(AUTO_RELOCK_TIME)
        if not lock and relock_time and self._setting(OPERATING_MODE) != PASSAGE:
            self._schedule_relock(relock_time)

    def set_pin(self, user_id: int, status: int, type_: int, pin: bytes, source: EventSource) -> SetPinStatus:
        """Set a user's PIN, and send an event where it was added or changed."""
        is_change = user_id in self.user_codes.users
        result = self.user_codes.set_pin(user_id, status, type_, pin)
        if result is SetPinStatus.SET:
            code = ProgrammingCode.PIN_CHANGED if is_change else ProgrammingCode.PIN_ADDED
            self._send_programming_event(source, code, user_id)
        return result

    def clear_pin(self, user_id: int, source: EventSource) -> None:
        """Empty a user's slot, and send an event where it was in use."""
        if self.user_codes.clear(user_id):
            self._send_programming_event(source, ProgrammingCode.PIN_DELETED, user_id)

    def raise_alarm(self, code: AlarmCode) -> None:
        """Log and send an alarm, unless the alarm mask has it off."""
        bit = _ALARM_BITS.get(code)
        if bit is not None and not self._setting(ALARM_MASK) & bit:
            return
        self._log(LogEventType.ALARM, EventSource.INDETERMINATE, code, NO_USER, b"")
        self.send_to_bound(1, ALARMS, ALARM, struct.pack("<BH", code, DOOR_LOCK))

    def _setting(self, attribute: int) -> int:
        return self.int_value(1, DOOR_LOCK, attribute)

    def _schedule_relock(self, seconds: int) -> None:
        def relock() -> None:
            self._relock = None
            self.move_bolt(EventSource.INDETERMINATE, OperationCode.AUTO_LOCK, NO_USER, lock=True)

        if self._relock is not None:
            self._relock.cancel()
        self._relock = self.network.scheduler.after(seconds, relock)

    def _count_wrong_code(self, source: EventSource, check: CodeCheck) -> None:
        if check is not CodeCheck.WRONG or source is EventSource.RF:
            return
        self._wrong_codes += 1
        if self._wrong_codes >= self._setting(WRONG_CODE_LIMIT):
            self._wrong_codes = 0
            self._keypad_off_until = self.network.scheduler.now() + self._setting(DISABLE_TIME)
            self.raise_alarm(AlarmCode.WRONG_CODE_LIMIT)

    # The events that it sends, and logs.

    def _send_operation_event(self, source: EventSource, event: OperationCode, user: int, pin: bytes) -> None:
        sent_pin = pin if self._setting(SEND_PIN) else b""
        self._log(LogEventType.OPERATION, source, event, user, sent_pin)
        head = struct.pack("<BBHB", source, event, user, len(sent_pin)) + sent_pin
        no_data = 0
        payload = head + struct.pack("<IB", self.network.local_time(), no_data)
        self.send_to_bound(1, DOOR_LOCK, DoorLockCommand.OPERATION_EVENT_NOTIFICATION, payload)

    def _send_programming_event(self, source: EventSource, event: ProgrammingCode, user_id: int) -> None:
        user = self.user_codes.users.get(user_id)
        self._log(LogEventType.PROGRAMMING, source, event, user_id, b"")
        type_ = UserType.NOT_SUPPORTED if user is None else user.type
        status = UserStatus.AVAILABLE if user is None else user.status
        local_time, no_pin, no_data = self.network.local_time(), 0, 0
        payload = struct.pack("<BBHBBBIB", source, event, user_id, no_pin, type_, status, local_time, no_data)
        self.send_to_bound(1, DOOR_LOCK, DoorLockCommand.PROGRAMMING_EVENT_NOTIFICATION, payload)

    def _log(self, type_: LogEventType, source: int, code: int, user: int, pin: bytes) -> None:
        if self._setting(ENABLE_LOGGING):
            self.log.write(self.network.local_time(), type_, source, code, user=user, pin=pin)
