"""What a lock's codes mean: one row a code, each with its §9 status, its §2.9 message and what the record shows.

Pure. The codes are ZCL's (Door Lock 0x0101: operation and programming events, alarms); message types and flags follow
the API's one example ("operation_info", "fingerprint_unlock"), since its list of them is another document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from gatewayd.model.event import LockAlarm, LockEvent, LockNotification, LockProgrammed, LockSource
from gatewayd.model.lock import KeyType
from gatewayd.model.status import OperationStatus


class MessageLevel(IntEnum):
    """§2.9 `level`."""

    NOTICE = 1
    REMINDER = 2
    ALARM = 3


@dataclass(frozen=True, slots=True)
class EventMeaning:
    """What one code says. `operate`: the lock's state after it (0 locked, 1 unlocked), None where it does not change.

    `push` is the switch of the record (§12.2 `is_push_*`) that turns its message off; None: it always goes out.
    """

    status: OperationStatus
    message_type: str
    flag: str
    level: MessageLevel
    operate: int | None = None
    push: str | None = None


def _operation(
    status: OperationStatus, flag: str, level: MessageLevel = MessageLevel.NOTICE, operate: int | None = None
) -> EventMeaning:
    return EventMeaning(status, "operation_info", flag, level, operate, push="is_push_operate")


def _alarm(status: OperationStatus, flag: str, push: str | None = None) -> EventMeaning:
    return EventMeaning(status, "alarm_info", flag, MessageLevel.ALARM, push=push)


# ZCL Door Lock, Operation Event Codes. `{how}` becomes the source's word.
_EVENTS: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        0x01: _operation(OperationStatus.OFF, "{how}_lock", operate=0),  # Lock
        0x02: _operation(OperationStatus.UNLOCK_EVENT, "{how}_unlock", operate=1),  # Unlock
        0x03: _operation(
            OperationStatus.WRONG_PASSWORD, "{how}_lock_refused", MessageLevel.REMINDER
        ),  # LockFailureInvalidPINorID
        0x04: _operation(
            OperationStatus.AUTHORIZATION_EXPIRED, "{how}_lock_refused", MessageLevel.REMINDER
        ),  # …InvalidSchedule
        0x05: _operation(
            OperationStatus.WRONG_PASSWORD, "{how}_unlock_refused", MessageLevel.REMINDER
        ),  # UnlockFailureInvalidPINorID
        0x06: _operation(
            OperationStatus.AUTHORIZATION_EXPIRED, "{how}_unlock_refused", MessageLevel.REMINDER
        ),  # …InvalidSchedule
        0x07: _operation(OperationStatus.OFF, "one_touch_lock", operate=0),  # OneTouchLock
        0x08: _operation(OperationStatus.OFF, "key_lock", operate=0),  # KeyLock
        0x09: _operation(OperationStatus.UNLOCK_EVENT, "key_unlock", operate=1),  # KeyUnlock
        0x0A: _operation(OperationStatus.OFF, "auto_lock", operate=0),  # AutoLock
        0x0B: _operation(OperationStatus.OFF, "schedule_lock", operate=0),  # ScheduleLock
        0x0C: _operation(OperationStatus.UNLOCK_EVENT, "schedule_unlock", operate=1),  # ScheduleUnlock
        0x0D: _operation(OperationStatus.OFF, "inside_lock", operate=0),  # ManualLock (key or thumbturn)
        0x0E: _operation(OperationStatus.UNLOCK_EVENT, "inside_unlock", operate=1),  # ManualUnlock
    }
)
_OTHER_EVENT: Final = _operation(OperationStatus.DEVICE_NORMAL, "{how}_operation")

# ZCL Door Lock, Programming Event Codes.
_PROGRAMMED: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        0x01: _operation(
            OperationStatus.PASSWORD_CHANGED_AT_LOCK, "master_password_changed", MessageLevel.REMINDER
        ),  # MasterCodeChanged
        0x02: _operation(OperationStatus.USER_ADDED, "password_added"),  # PINCodeAdded
        0x03: _operation(OperationStatus.USER_REMOVED, "password_removed"),  # PINCodeDeleted
        0x04: _operation(OperationStatus.PASSWORD_CHANGED_AT_LOCK, "password_changed"),  # PINCodeChanged
        0x05: _operation(OperationStatus.USER_ADDED, "card_added"),  # RFIDCodeAdded
        0x06: _operation(OperationStatus.USER_REMOVED, "card_removed"),  # RFIDCodeDeleted
    }
)
_OTHER_PROGRAMMED: Final = _operation(OperationStatus.DEVICE_NORMAL, "programmed")

# ZCL Door Lock, Alarm Codes (sent through the Alarms cluster).
_ALARMS: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        0x00: _alarm(OperationStatus.FAULT_ALARM, "jammed"),  # Deadbolt Jammed
        0x01: _alarm(OperationStatus.LOCK_FACTORY_RESET, "factory_reset"),  # Lock Reset to Factory Defaults
        0x03: _alarm(OperationStatus.FAULT_ALARM, "radio_power_cycled"),  # RF Module Power Cycled
        0x04: _alarm(
            OperationStatus.TOO_MANY_ATTEMPTS_ALARM, "passerr", "is_push_pass_error"
        ),  # Tamper Alarm, wrong code entry limit
        0x05: _alarm(
            OperationStatus.TAMPER_ALARM, "illegalunlock", "is_push_illegal_unlock"
        ),  # Tamper Alarm, front escutcheon removed
        0x06: _alarm(
            OperationStatus.TAMPER_ALARM, "illegalunlock", "is_push_illegal_unlock"
        ),  # Forced Door Open under Door Locked Condition
    }
)
_OTHER_ALARM: Final = _alarm(OperationStatus.FAULT_ALARM, "fault")

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


def meaning_of(word: LockNotification) -> EventMeaning:
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
