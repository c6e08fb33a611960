"""What the codes of a lock's events mean: one row per code, with its §9 status, its §2.9 message and its effect.

Pure data and look-ups; `events` records the events. Codes are those of ZCL Door Lock (0x0101). Message types and flags
follow the API's only example ("operation_info", "fingerprint_unlock"): its list of them is a document of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from gatewayd.model.event import LockAlarm, LockEvent, LockNotification, LockProgrammed, LockSource
from gatewayd.model.lock import KeyType
from gatewayd.model.request import LockOperation
from gatewayd.model.status import OperationStatus


class MessageLevel(IntEnum):
    """§2.9 `level`."""

    NOTICE = 1
    REMINDER = 2
    ALARM = 3


class OperationEventCode(IntEnum):
    """ZCL Door Lock: codes of Operation Event Notification."""

    LOCK = 0x01
    UNLOCK = 0x02
    LOCK_FAILURE_INVALID_PIN_OR_ID = 0x03
    LOCK_FAILURE_INVALID_SCHEDULE = 0x04
    UNLOCK_FAILURE_INVALID_PIN_OR_ID = 0x05
    UNLOCK_FAILURE_INVALID_SCHEDULE = 0x06
    ONE_TOUCH_LOCK = 0x07
    KEY_LOCK = 0x08
    KEY_UNLOCK = 0x09
    AUTO_LOCK = 0x0A
    SCHEDULE_LOCK = 0x0B
    SCHEDULE_UNLOCK = 0x0C
    MANUAL_LOCK = 0x0D  # by key or thumbturn
    MANUAL_UNLOCK = 0x0E


class ProgrammingEventCode(IntEnum):
    """ZCL Door Lock: codes of Programming Event Notification."""

    MASTER_CODE_CHANGED = 0x01
    PIN_CODE_ADDED = 0x02
    PIN_CODE_DELETED = 0x03
    PIN_CODE_CHANGED = 0x04
    RFID_CODE_ADDED = 0x05
    RFID_CODE_DELETED = 0x06


class LockAlarmCode(IntEnum):
    """ZCL Door Lock: codes of its alarms, which are the bits of Alarm Mask."""

    DEADBOLT_JAMMED = 0x00
    RESET_TO_FACTORY_DEFAULTS = 0x01
    RF_MODULE_POWER_CYCLED = 0x03
    WRONG_CODE_ENTRY_LIMIT = 0x04
    FRONT_ESCUTCHEON_REMOVED = 0x05
    FORCED_DOOR_OPEN = 0x06  # while it was locked


@dataclass(frozen=True, slots=True)
class EventMeaning:
    """What a code means. `operate` is the lock's state after the event, None where that does not change.

    `push` names the field of the record (§12.2 `is_push_*`) that turns the message off; with None it is always sent.
    """

    status: OperationStatus
    message_type: str
    flag: str
    level: MessageLevel
    operate: LockOperation | None = None
    push: str | None = None


def _operation(
    status: OperationStatus,
    flag: str,
    level: MessageLevel = MessageLevel.NOTICE,
    operate: LockOperation | None = None,
) -> EventMeaning:
    return EventMeaning(status, "operation_info", flag, level, operate, push="is_push_operate")


def _locked(flag: str) -> EventMeaning:
    return _operation(OperationStatus.OFF, flag, operate=LockOperation.LOCK)


def _unlocked(flag: str) -> EventMeaning:
    return _operation(OperationStatus.UNLOCK_EVENT, flag, operate=LockOperation.UNLOCK)


def _refused(status: OperationStatus, flag: str) -> EventMeaning:
    return _operation(status, flag, MessageLevel.REMINDER)


def _alarm(status: OperationStatus, flag: str, push: str | None = None) -> EventMeaning:
    return EventMeaning(status, "alarm_info", flag, MessageLevel.ALARM, push=push)


# In a flag, `{source}` becomes the text of the event's source.
_OPERATIONS: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        OperationEventCode.LOCK: _locked("{source}_lock"),
        OperationEventCode.UNLOCK: _unlocked("{source}_unlock"),
        OperationEventCode.LOCK_FAILURE_INVALID_PIN_OR_ID: _refused(
            OperationStatus.WRONG_PASSWORD, "{source}_lock_refused"
        ),
        OperationEventCode.LOCK_FAILURE_INVALID_SCHEDULE: _refused(
            OperationStatus.AUTHORIZATION_EXPIRED, "{source}_lock_refused"
        ),
        OperationEventCode.UNLOCK_FAILURE_INVALID_PIN_OR_ID: _refused(
            OperationStatus.WRONG_PASSWORD, "{source}_unlock_refused"
        ),
        OperationEventCode.UNLOCK_FAILURE_INVALID_SCHEDULE: _refused(
            OperationStatus.AUTHORIZATION_EXPIRED, "{source}_unlock_refused"
        ),
        OperationEventCode.ONE_TOUCH_LOCK: _locked("one_touch_lock"),
        OperationEventCode.KEY_LOCK: _locked("key_lock"),
        OperationEventCode.KEY_UNLOCK: _unlocked("key_unlock"),
        OperationEventCode.AUTO_LOCK: _locked("auto_lock"),
        OperationEventCode.SCHEDULE_LOCK: _locked("schedule_lock"),
        OperationEventCode.SCHEDULE_UNLOCK: _unlocked("schedule_unlock"),
        OperationEventCode.MANUAL_LOCK: _locked("inside_lock"),
        OperationEventCode.MANUAL_UNLOCK: _unlocked("inside_unlock"),
    }
)
_OTHER_OPERATION: Final = _operation(OperationStatus.DEVICE_NORMAL, "{source}_operation")

_PROGRAMMING: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        ProgrammingEventCode.MASTER_CODE_CHANGED: _operation(
            OperationStatus.PASSWORD_CHANGED_AT_LOCK, "master_password_changed", MessageLevel.REMINDER
        ),
        ProgrammingEventCode.PIN_CODE_ADDED: _operation(OperationStatus.USER_ADDED, "password_added"),
        ProgrammingEventCode.PIN_CODE_DELETED: _operation(OperationStatus.USER_REMOVED, "password_removed"),
        ProgrammingEventCode.PIN_CODE_CHANGED: _operation(OperationStatus.PASSWORD_CHANGED_AT_LOCK, "password_changed"),
        ProgrammingEventCode.RFID_CODE_ADDED: _operation(OperationStatus.USER_ADDED, "card_added"),
        ProgrammingEventCode.RFID_CODE_DELETED: _operation(OperationStatus.USER_REMOVED, "card_removed"),
    }
)
_OTHER_PROGRAMMING: Final = _operation(OperationStatus.DEVICE_NORMAL, "programmed")

_ALARMS: Final[Mapping[int, EventMeaning]] = MappingProxyType(
    {
        LockAlarmCode.DEADBOLT_JAMMED: _alarm(OperationStatus.FAULT_ALARM, "jammed"),
        LockAlarmCode.RESET_TO_FACTORY_DEFAULTS: _alarm(OperationStatus.LOCK_FACTORY_RESET, "factory_reset"),
        LockAlarmCode.RF_MODULE_POWER_CYCLED: _alarm(OperationStatus.FAULT_ALARM, "radio_power_cycled"),
        LockAlarmCode.WRONG_CODE_ENTRY_LIMIT: _alarm(
            OperationStatus.TOO_MANY_ATTEMPTS_ALARM, "passerr", push="is_push_pass_error"
        ),
        LockAlarmCode.FRONT_ESCUTCHEON_REMOVED: _alarm(
            OperationStatus.TAMPER_ALARM, "illegalunlock", push="is_push_illegal_unlock"
        ),
        LockAlarmCode.FORCED_DOOR_OPEN: _alarm(
            OperationStatus.TAMPER_ALARM, "illegalunlock", push="is_push_illegal_unlock"
        ),
    }
)
_OTHER_ALARM: Final = _alarm(OperationStatus.FAULT_ALARM, "fault")

_SOURCE_TEXTS: Final[Mapping[LockSource, str]] = MappingProxyType(
    {
        LockSource.KEYPAD: "password",
        LockSource.RF: "remote",
        LockSource.MANUAL: "inside",
        LockSource.RFID: "card",
        LockSource.FINGERPRINT: "fingerprint",
        LockSource.UNKNOWN: "unknown",
    }
)
_KEY_TYPES: Final[Mapping[LockSource, KeyType]] = MappingProxyType(
    {
        LockSource.KEYPAD: KeyType.PASSWORD,
        LockSource.FINGERPRINT: KeyType.FINGERPRINT,
        LockSource.RFID: KeyType.CARD,
        LockSource.MANUAL: KeyType.MECHANICAL,
    }
)


def meaning_of(notification: LockNotification) -> EventMeaning:
    """What a lock's notification means; a code that ZCL does not name has a meaning too, without details."""
    match notification:
        case LockEvent():
            row = _OPERATIONS.get(notification.code, _OTHER_OPERATION)
            return replace(row, flag=row.flag.format(source=_SOURCE_TEXTS[notification.source]))
        case LockProgrammed():
            return _PROGRAMMING.get(notification.code, _OTHER_PROGRAMMING)
        case LockAlarm():
            return _ALARMS.get(notification.code, _OTHER_ALARM)


def key_type_of(source: LockSource) -> KeyType | None:
    """The type of key that is used at this source; None for the radio and an unknown source."""
    return _KEY_TYPES.get(source)
