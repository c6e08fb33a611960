"""A live door lock: what people do to it, what it does then, and what it says about it."""

import struct
from typing import Any

from gatewayd.simulator.radio.device import Description, Device, DeviceNetwork
from gatewayd.simulator.radio.devices.common import BATTERY_PERCENTAGE, POWER
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
    NOBODY,
    OPERATING_MODE,
    OPERATION_NOTIFICATION,
    PASSAGE,
    PIN_USERS,
    PROGRAMMING_NOTIFICATION,
    REQUIRE_PIN,
    SEND_PIN,
    WRONG_CODE_LIMIT,
    YEAR_DAY_SCHEDULES,
    AlarmCode,
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
    (True, CodeCheck.NOT_NOW): OperationCode.LOCK_OUT_OF_SCHEDULE,
    (False, CodeCheck.WRONG): OperationCode.UNLOCK_WRONG_PIN,
    (False, CodeCheck.NOT_NOW): OperationCode.UNLOCK_OUT_OF_SCHEDULE,
}
_ALARM_BITS = {code: 1 << code for code in AlarmCode if code <= AlarmCode.FORCED_OPEN}


class Lock(Device):
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
        return self.number(1, DOOR_LOCK, LOCK_STATE) == LockState.LOCKED

    # What people do to it.

    def enter_pin(self, pin: str, *, lock: bool = False) -> bool:
        """Type a code on the keypad, to unlock or to lock; says whether it obeyed."""
        if self.network.scheduler.now() < self._keypad_off_until:
            return False
        return self.operate(EventSource.KEYPAD, self.user_codes.find(pin.encode()), pin.encode(), lock=lock)

    def wrong_pins(self, count: int = 5, pin: str = "000000") -> None:
        """Try a code that is nobody's, again and again."""
        for _ in range(count):
            self.enter_pin(pin)

    def use_fingerprint(self, user: int) -> bool:
        return self.operate(EventSource.FINGERPRINT, user, b"", lock=False)

    def use_card(self, user: int) -> bool:
        return self.operate(EventSource.RFID, user, b"", lock=False)

    def turn_key(self, *, lock: bool = False) -> None:
        """The mechanical key, from outside."""
        self.move(EventSource.MANUAL, OperationCode.KEY_LOCK if lock else OperationCode.KEY_UNLOCK, NOBODY, lock=lock)

    def turn_knob(self, *, lock: bool = False) -> None:
        """The thumbturn, from inside."""
        self.move(
            EventSource.MANUAL, OperationCode.MANUAL_LOCK if lock else OperationCode.MANUAL_UNLOCK, NOBODY, lock=lock
        )

    def pry(self) -> None:
        """Somebody breaks the front off."""
        self.raise_alarm(AlarmCode.ESCUTCHEON_REMOVED)

    def force_open(self) -> None:
        """The door is kicked in while locked."""
        self.put(1, DOOR_LOCK, DOOR_STATE, DoorState.FORCED_OPEN)
        self.raise_alarm(AlarmCode.FORCED_OPEN)

    def jam(self) -> None:
        """The bolt sticks half-way."""
        self.put(1, DOOR_LOCK, LOCK_STATE, LockState.NOT_FULLY_LOCKED)
        self.raise_alarm(AlarmCode.JAMMED)

    def open_door(self) -> None:
        self.put(1, DOOR_LOCK, DOOR_STATE, DoorState.OPEN)

    def close_door(self) -> None:
        self.put(1, DOOR_LOCK, DOOR_STATE, DoorState.CLOSED)

    def set_battery(self, percent: int) -> None:
        self.put(1, POWER, BATTERY_PERCENTAGE, 2 * percent)

    # What it does.

    def operate(self, source: EventSource, user: int | None, pin: bytes, *, lock: bool) -> bool:
        """Somebody identifies himself: obey or refuse, and say so."""
        known = NOBODY if user is None else user
        if source in {EventSource.FINGERPRINT, EventSource.RFID}:
            verdict = CodeCheck.WELCOME if user is not None and user != NOBODY else CodeCheck.WRONG
        else:
            verdict = self.user_codes.judge(user, self.network.local_time())
        if verdict is not CodeCheck.WELCOME:
            self._tell_operation(source, _REFUSALS[lock, verdict], known, pin)
            self._count_wrong_code(source, verdict)
            return False
        self._wrong_codes = 0
        self.move(source, OperationCode.LOCK if lock else OperationCode.UNLOCK, known, pin, lock=lock)
        if source is EventSource.KEYPAD and user is not None and self.user_codes.users[user].type == UserType.FORCED:
            self.raise_alarm(AlarmCode.FORCED_USER)
        return True

    def operate_by_radio(self, pin: bytes, *, lock: bool, relock_after: int = 0) -> bool:
        if pin or self._setting(REQUIRE_PIN):
            obeyed = self.operate(EventSource.RF, self.user_codes.find(pin), pin, lock=lock)
        else:
            self.move(EventSource.RF, OperationCode.LOCK if lock else OperationCode.UNLOCK, NOBODY, lock=lock)
            obeyed = True
        if obeyed and relock_after:
            self._relock_in(relock_after)
        return obeyed

    def move(self, source: EventSource, event: OperationCode, user: int, pin: bytes = b"", *, lock: bool) -> None:
        """The bolt moves, and the lock says why."""
        if self._relock is not None:
            self._relock.cancel()
            self._relock = None
        self.put(1, DOOR_LOCK, LOCK_STATE, LockState.LOCKED if lock else LockState.UNLOCKED)
        self._tell_operation(source, event, user, pin)
        after = self._setting(AUTO_RELOCK_TIME)
        if not lock and after and self._setting(OPERATING_MODE) != PASSAGE:
            self._relock_in(after)

    def program(self, number: int, status: int, kind: int, pin: bytes, source: EventSource) -> SetPinStatus:
        """Set a slot's PIN; added or changed, the lock says so."""
        known = number in self.user_codes.users
        outcome = self.user_codes.set_pin(number, status, kind, pin)
        if outcome is SetPinStatus.SET:
            self._tell_programming(source, ProgrammingCode.PIN_CHANGED if known else ProgrammingCode.PIN_ADDED, number)
        return outcome

    def unprogram(self, number: int, source: EventSource) -> None:
        user = self.user_codes.users.get(number)
        if user is not None:
            self.user_codes.clear(number)
            self._tell_programming(source, ProgrammingCode.PIN_DELETED, number)

    def raise_alarm(self, code: AlarmCode) -> None:
        bit = _ALARM_BITS.get(code)
        if bit is not None and not self._setting(ALARM_MASK) & bit:
            return
        self._log(LogEventType.ALARM, EventSource.INDETERMINATE, code, NOBODY, b"")
        self.notify(1, ALARMS, ALARM, struct.pack("<BH", code, DOOR_LOCK))

    def _setting(self, attribute: int) -> int:
        return self.number(1, DOOR_LOCK, attribute)

    def _relock_in(self, seconds: int) -> None:
        def relock() -> None:
            self._relock = None
            self.move(EventSource.INDETERMINATE, OperationCode.AUTO_LOCK, NOBODY, lock=True)

        if self._relock is not None:
            self._relock.cancel()
        self._relock = self.network.scheduler.after(seconds, relock)

    def _count_wrong_code(self, source: EventSource, verdict: CodeCheck) -> None:
        if verdict is not CodeCheck.WRONG or source is EventSource.RF:
            return
        self._wrong_codes += 1
        if self._wrong_codes >= self._setting(WRONG_CODE_LIMIT):
            self._wrong_codes = 0
            self._keypad_off_until = self.network.scheduler.now() + self._setting(DISABLE_TIME)
            self.raise_alarm(AlarmCode.WRONG_CODE_LIMIT)

    # What it says.

    def _tell_operation(self, source: EventSource, event: OperationCode, user: int, pin: bytes) -> None:
        said = pin if self._setting(SEND_PIN) else b""
        self._log(LogEventType.OPERATION, source, event, user, said)
        head = struct.pack("<BBHB", source, event, user, len(said)) + said
        payload = head + struct.pack("<IB", self.network.local_time(), 0)
        self.notify(1, DOOR_LOCK, OPERATION_NOTIFICATION, payload)

    def _tell_programming(self, source: EventSource, event: ProgrammingCode, number: int) -> None:
        user = self.user_codes.users.get(number)
        self._log(LogEventType.PROGRAMMING, source, event, number, b"")
        kind = UserType.NOT_SUPPORTED if user is None else user.type
        status = UserStatus.AVAILABLE if user is None else user.status
        local_time = self.network.local_time()
        payload = struct.pack("<BBHBBBIB", source, event, number, 0, kind, status, local_time, 0)
        self.notify(1, DOOR_LOCK, PROGRAMMING_NOTIFICATION, payload)

    def _log(self, kind: LogEventType, source: int, code: int, user: int, pin: bytes) -> None:
        if self._setting(ENABLE_LOGGING):
            self.log.write(self.network.local_time(), kind, source, code, user=user, pin=pin)
