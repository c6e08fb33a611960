"""The Door Lock cluster's numbers (ZCL 7.3): attributes, commands, sources, events, alarms, users."""

from enum import IntEnum

DOOR_LOCK, ALARMS = 0x0101, 0x0009
NO_USER = 0xFFFF
"""The user id of an event without a user."""

LOCK_STATE, LOCK_TYPE, ACTUATOR_ENABLED, DOOR_STATE = 0x0000, 0x0001, 0x0002, 0x0003
LOG_RECORDS, TOTAL_USERS, PIN_USERS, RFID_USERS = 0x0010, 0x0011, 0x0012, 0x0013
WEEK_DAY_SCHEDULES, YEAR_DAY_SCHEDULES, HOLIDAY_SCHEDULES = 0x0014, 0x0015, 0x0016
MAX_PIN_LENGTH, MIN_PIN_LENGTH = 0x0017, 0x0018
ENABLE_LOGGING, AUTO_RELOCK_TIME, OPERATING_MODE, OPERATING_MODES = 0x0020, 0x0023, 0x0025, 0x0026
WRONG_CODE_LIMIT, DISABLE_TIME, SEND_PIN, REQUIRE_PIN = 0x0030, 0x0031, 0x0032, 0x0033
ALARM_MASK = 0x0040

PASSAGE = 4
"""The operating mode in which the door stays unlocked: it does not lock by itself."""

ALARM = 0x00
"""The Alarms cluster's command to the host."""


class DoorLockCommand(IntEnum):
    """Commands and, with the same numbers, their responses; then what the lock sends by itself."""

    LOCK_DOOR = 0x00
    UNLOCK_DOOR = 0x01
    TOGGLE = 0x02
    UNLOCK_WITH_TIMEOUT = 0x03
    GET_LOG_RECORD = 0x04
    SET_PIN_CODE = 0x05
    GET_PIN_CODE = 0x06
    CLEAR_PIN_CODE = 0x07
    CLEAR_ALL_PIN_CODES = 0x08
    SET_USER_STATUS = 0x09
    GET_USER_STATUS = 0x0A
    SET_YEAR_DAY_SCHEDULE = 0x0E
    GET_YEAR_DAY_SCHEDULE = 0x0F
    CLEAR_YEAR_DAY_SCHEDULE = 0x10
    SET_USER_TYPE = 0x14
    GET_USER_TYPE = 0x15
    OPERATION_EVENT_NOTIFICATION = 0x20
    PROGRAMMING_EVENT_NOTIFICATION = 0x21


class LockState(IntEnum):
    NOT_FULLY_LOCKED = 0
    LOCKED = 1
    UNLOCKED = 2


class DoorState(IntEnum):
    OPEN = 0
    CLOSED = 1
    JAMMED = 2
    FORCED_OPEN = 3


class EventSource(IntEnum):
    KEYPAD = 0
    RF = 1
    MANUAL = 2
    RFID = 3
    FINGERPRINT = 4  # not in ZCL, but what such locks send
    INDETERMINATE = 0xFF


class OperationCode(IntEnum):
    LOCK = 0x01
    UNLOCK = 0x02
    LOCK_WRONG_PIN = 0x03
    LOCK_OUT_OF_SCHEDULE = 0x04
    UNLOCK_WRONG_PIN = 0x05
    UNLOCK_OUT_OF_SCHEDULE = 0x06
    ONE_TOUCH_LOCK = 0x07
    KEY_LOCK = 0x08
    KEY_UNLOCK = 0x09
    AUTO_LOCK = 0x0A
    MANUAL_LOCK = 0x0D
    MANUAL_UNLOCK = 0x0E


class ProgrammingCode(IntEnum):
    PIN_ADDED = 0x02
    PIN_DELETED = 0x03
    PIN_CHANGED = 0x04


class AlarmCode(IntEnum):
    JAMMED = 0x00
    FACTORY_RESET = 0x01
    RADIO_POWER_CYCLED = 0x03
    WRONG_CODE_LIMIT = 0x04
    ESCUTCHEON_REMOVED = 0x05
    FORCED_OPEN = 0x06
    FORCED_USER = 0x08  # a duress code was used; numbered as in Matter, ZCL's successor


class LogEventType(IntEnum):
    """The kind of event of a log record."""

    OPERATION = 0
    PROGRAMMING = 1
    ALARM = 2


class UserStatus(IntEnum):
    AVAILABLE = 0
    ENABLED = 1
    DISABLED = 3


class UserType(IntEnum):
    UNRESTRICTED = 0
    YEAR_DAY = 1
    WEEK_DAY = 2
    MASTER = 3
    NON_ACCESS = 4
    FORCED = 5  # a duress user, numbered as in Matter
    NOT_SUPPORTED = 0xFF
