"""What a lock's codes mean: one row a code, each with its §9 status, its §2.9 message and what the record shows.

Pure. The codes are ZCL's (Door Lock 0x0101: operation and programming events, alarms); message types and flags follow
the API's one example ("operation_info", "fingerprint_unlock"), since its list of them is another document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from gatewayd.model.event import LockAlarm, LockEvent, LockProgrammed, LockSource, LockWord
from gatewayd.model.status import Operation


class Level(IntEnum):
    """§2.9 `level`."""

    NOTICE = 1
    REMINDER = 2
    ALARM = 3


class KeyType(IntEnum):
    """§2.8 `key_type`."""

    PASSWORD = 0
    FINGERPRINT = 1
    CARD = 2
    MECHANICAL = 3


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one code says. `operate`: the lock's state after it (0 locked, 1 unlocked), None where it does not change.

    `push` is the switch of the record (§12.2 `is_push_*`) that turns its message off; None: it always goes out.
    """

    status: Operation
    message_type: str
    flag: str
    level: Level
    operate: int | None = None
    push: str | None = None


def _operation(status: Operation, flag: str, level: Level = Level.NOTICE, operate: int | None = None) -> Meaning:
    return Meaning(status, "operation_info", flag, level, operate, push="is_push_operate")


def _alarm(status: Operation, flag: str, push: str | None = None) -> Meaning:
    return Meaning(status, "alarm_info", flag, Level.ALARM, push=push)


# ZCL Door Lock, Operation Event Codes. `{how}` becomes the source's word.
_EVENTS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        0x01: _operation(Operation.OFF, "{how}_lock", operate=0),  # Lock
        0x02: _operation(Operation.UNLOCK_EVENT, "{how}_unlock", operate=1),  # Unlock
        0x03: _operation(Operation.WRONG_PASSWORD, "{how}_lock_refused", Level.REMINDER),  # LockFailureInvalidPINorID
        0x04: _operation(Operation.AUTHORIZATION_EXPIRED, "{how}_lock_refused", Level.REMINDER),  # …InvalidSchedule
        0x05: _operation(
            Operation.WRONG_PASSWORD, "{how}_unlock_refused", Level.REMINDER
        ),  # UnlockFailureInvalidPINorID
        0x06: _operation(Operation.AUTHORIZATION_EXPIRED, "{how}_unlock_refused", Level.REMINDER),  # …InvalidSchedule
        0x07: _operation(Operation.OFF, "one_touch_lock", operate=0),  # OneTouchLock
        0x08: _operation(Operation.OFF, "key_lock", operate=0),  # KeyLock
        0x09: _operation(Operation.UNLOCK_EVENT, "key_unlock", operate=1),  # KeyUnlock
        0x0A: _operation(Operation.OFF, "auto_lock", operate=0),  # AutoLock
        0x0B: _operation(Operation.OFF, "schedule_lock", operate=0),  # ScheduleLock
        0x0C: _operation(Operation.UNLOCK_EVENT, "schedule_unlock", operate=1),  # ScheduleUnlock
        0x0D: _operation(Operation.OFF, "inside_lock", operate=0),  # ManualLock (key or thumbturn)
        0x0E: _operation(Operation.UNLOCK_EVENT, "inside_unlock", operate=1),  # ManualUnlock
    }
)
_OTHER_EVENT: Final = _operation(Operation.DEVICE_NORMAL, "{how}_operation")

# ZCL Door Lock, Programming Event Codes.
_PROGRAMMED: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        0x01: _operation(
            Operation.PASSWORD_CHANGED_AT_LOCK, "master_password_changed", Level.REMINDER
        ),  # MasterCodeChanged
        0x02: _operation(Operation.USER_ADDED, "password_added"),  # PINCodeAdded
        0x03: _operation(Operation.USER_REMOVED, "password_removed"),  # PINCodeDeleted
        0x04: _operation(Operation.PASSWORD_CHANGED_AT_LOCK, "password_changed"),  # PINCodeChanged
        0x05: _operation(Operation.USER_ADDED, "card_added"),  # RFIDCodeAdded
        0x06: _operation(Operation.USER_REMOVED, "card_removed"),  # RFIDCodeDeleted
    }
)
_OTHER_PROGRAMMED: Final = _operation(Operation.DEVICE_NORMAL, "programmed")

# ZCL Door Lock, Alarm Codes (sent through the Alarms cluster).
_ALARMS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        0x00: _alarm(Operation.FAULT_ALARM, "jammed"),  # Deadbolt Jammed
        0x01: _alarm(Operation.LOCK_FACTORY_RESET, "factory_reset"),  # Lock Reset to Factory Defaults
        0x03: _alarm(Operation.FAULT_ALARM, "radio_power_cycled"),  # RF Module Power Cycled
        0x04: _alarm(
            Operation.TOO_MANY_ATTEMPTS_ALARM, "passerr", "is_push_pass_error"
        ),  # Tamper Alarm, wrong code entry limit
        0x05: _alarm(
            Operation.TAMPER_ALARM, "illegalunlock", "is_push_illegal_unlock"
        ),  # Tamper Alarm, front escutcheon removed
        0x06: _alarm(
            Operation.TAMPER_ALARM, "illegalunlock", "is_push_illegal_unlock"
        ),  # Forced Door Open under Door Locked Condition
    }
)
_OTHER_ALARM: Final = _alarm(Operation.FAULT_ALARM, "fault")

_HOW: Final[Mapping[LockSource, str]] = MappingProxyType(
    {
        LockSource.KEYPAD: "password",
        LockSource.RF: "remote",
        LockSource.MANUAL: "inside",
        LockSource.RFID: "card",
        LockSource.FINGERPRINT: "fingerprint",
        LockSource.UNKNOWN: "unknown",
    }
)
_KEY_TYPE: Final[Mapping[LockSource, KeyType]] = MappingProxyType(
    {
        LockSource.KEYPAD: KeyType.PASSWORD,
        LockSource.FINGERPRINT: KeyType.FINGERPRINT,
        LockSource.RFID: KeyType.CARD,
        LockSource.MANUAL: KeyType.MECHANICAL,
    }
)


def meaning_of(word: LockWord) -> Meaning:
    """What `word` says; a code that ZCL does not name still says that something happened."""
    match word:
        case LockEvent():
            row = _EVENTS.get(word.code, _OTHER_EVENT)
            return replace(row, flag=row.flag.format(how=_HOW[word.source]))
        case LockProgrammed():
            return _PROGRAMMED.get(word.code, _OTHER_PROGRAMMED)
        case LockAlarm():
            return _ALARMS.get(word.code, _OTHER_ALARM)


def key_type_of(source: LockSource) -> KeyType | None:
    """The kind of key that a source is used with; None for the radio and the unknown."""
    return _KEY_TYPE.get(source)
