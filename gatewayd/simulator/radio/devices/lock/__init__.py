"""A door lock with PIN slots, schedules, events, alarms and a log of its own (ZCL Door Lock and Alarms)."""

from gatewayd.simulator.radio.device import Description
from gatewayd.simulator.radio.devices.common import BATTERY, basic, identify, power
from gatewayd.simulator.radio.devices.lock import codes
from gatewayd.simulator.radio.devices.lock.codes import (
    AlarmCode,
    DoorState,
    EventSource,
    LockState,
    OperationCode,
    UserStatus,
    UserType,
)
from gatewayd.simulator.radio.devices.lock.commands import COMMANDS
from gatewayd.simulator.radio.devices.lock.device import Lock
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import BOOL, ENUM8, MAP16, SUCCESS, U8, U16, U32

__all__ = [
    "AlarmCode",
    "DoorState",
    "EventSource",
    "Lock",
    "LockState",
    "OperationCode",
    "UserStatus",
    "UserType",
    "lock",
]

_DOOR_LOCK_DEVICE = 0x000A


def _door_lock(pin_users: int, log_records: int) -> Cluster:
    return Cluster(
        codes.DOOR_LOCK,
        (
            Attribute(codes.LOCK_STATE, ENUM8, LockState.LOCKED, reportable=True),
            Attribute(codes.LOCK_TYPE, ENUM8, 0x03),
            Attribute(codes.ACTUATOR_ENABLED, BOOL, 1),
            Attribute(codes.DOOR_STATE, ENUM8, DoorState.CLOSED, reportable=True),
            Attribute(codes.LOG_RECORDS, U16, log_records),
            Attribute(codes.TOTAL_USERS, U16, pin_users),
            Attribute(codes.PIN_USERS, U16, pin_users),
            Attribute(codes.RFID_USERS, U16, 0),
            Attribute(codes.WEEK_DAY_SCHEDULES, U8, 0),
            Attribute(codes.YEAR_DAY_SCHEDULES, U8, 2),
            Attribute(codes.HOLIDAY_SCHEDULES, U8, 0),
            Attribute(codes.MAX_PIN_LENGTH, U8, 10),
            Attribute(codes.MIN_PIN_LENGTH, U8, 4),
            Attribute(codes.ENABLE_LOGGING, BOOL, 1, writable=True),
            Attribute(codes.AUTO_RELOCK_TIME, U32, 0, writable=True, reportable=True),
            Attribute(codes.OPERATING_MODE, ENUM8, 0, writable=True, reportable=True),
            Attribute(codes.OPERATING_MODES, MAP16, 0x0011),
            Attribute(codes.WRONG_CODE_LIMIT, U8, 5, writable=True, reportable=True),
            Attribute(codes.DISABLE_TIME, U8, 10, writable=True, reportable=True),
            Attribute(codes.SEND_PIN, BOOL, 0, writable=True, reportable=True),
            Attribute(codes.REQUIRE_PIN, BOOL, 0, writable=True, reportable=True),
            Attribute(codes.ALARM_MASK, MAP16, 0xFFFF, writable=True, reportable=True),
        ),
        COMMANDS,
    )


def _alarms() -> Cluster:
    def accept(device: Lock, endpoint: int, payload: bytes) -> int:
        return SUCCESS

    return Cluster(codes.ALARMS, (Attribute(0x0000, U16, 0),), {0x00: accept, 0x01: accept})


def lock(
    ieee: str, pin_users: int = 20, log_records: int = 50, poll_interval_s: float | None = 0.5
) -> Description[Lock]:
    """A battery lock; `poll_interval_s` None makes it listen always."""
    clusters = (basic("DL1", BATTERY), power(), identify(), _alarms(), _door_lock(pin_users, log_records))
    return Description(ieee, (SimulatedEndpoint(1, _DOOR_LOCK_DEVICE, clusters),), Lock, poll_interval_s)
