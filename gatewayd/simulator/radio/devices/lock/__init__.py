"""A door lock with PIN codes, schedules, events, alarms and a log of its own (ZCL Door Lock and Alarms)."""

from gatewayd.simulator.radio.device import Description
from gatewayd.simulator.radio.devices.common import PowerSource, basic, identify, power_configuration
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
from gatewayd.simulator.radio.zcl import BOOL, ENUM8, MAP16, UINT8, UINT16, UINT32, ZclStatus

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
_DEAD_BOLT = 0x03
_NORMAL, _NORMAL_AND_PASSAGE = 0x00, 0x0011
"""Operating modes: one as an attribute's value, two as bits."""
_ALARM_COUNT = 0x0000
_RESET_ALARM, _RESET_ALL_ALARMS = 0x00, 0x01


def _door_lock(pin_users: int, log_records: int) -> Cluster:
    return Cluster(
        codes.DOOR_LOCK,
        (
            Attribute(codes.LOCK_STATE, ENUM8, LockState.LOCKED, reportable=True),
            Attribute(codes.LOCK_TYPE, ENUM8, _DEAD_BOLT),
            Attribute(codes.ACTUATOR_ENABLED, BOOL, 1),
            Attribute(codes.DOOR_STATE, ENUM8, DoorState.CLOSED, reportable=True),
            Attribute(codes.LOG_RECORDS, UINT16, log_records),
            Attribute(codes.TOTAL_USERS, UINT16, pin_users),
            Attribute(codes.PIN_USERS, UINT16, pin_users),
            Attribute(codes.RFID_USERS, UINT16, 0),
            Attribute(codes.WEEK_DAY_SCHEDULES, UINT8, 0),
            Attribute(codes.YEAR_DAY_SCHEDULES, UINT8, 2),
            Attribute(codes.HOLIDAY_SCHEDULES, UINT8, 0),
            Attribute(codes.MAX_PIN_LENGTH, UINT8, 10),
            Attribute(codes.MIN_PIN_LENGTH, UINT8, 4),
            Attribute(codes.ENABLE_LOGGING, BOOL, 1, writable=True),
            Attribute(codes.AUTO_RELOCK_TIME, UINT32, 0, writable=True, reportable=True),
            Attribute(codes.OPERATING_MODE, ENUM8, _NORMAL, writable=True, reportable=True),
            Attribute(codes.OPERATING_MODES, MAP16, _NORMAL_AND_PASSAGE),
            Attribute(codes.WRONG_CODE_LIMIT, UINT8, 5, writable=True, reportable=True),
            Attribute(codes.DISABLE_TIME, UINT8, 10, writable=True, reportable=True),
            Attribute(codes.SEND_PIN, BOOL, 0, writable=True, reportable=True),
            Attribute(codes.REQUIRE_PIN, BOOL, 0, writable=True, reportable=True),
            Attribute(codes.ALARM_MASK, MAP16, 0xFFFF, writable=True, reportable=True),
        ),
        COMMANDS,
    )


def _alarms() -> Cluster:
    def accept(device: Lock, endpoint: int, payload: bytes) -> int:
        return ZclStatus.SUCCESS

    return Cluster(
        codes.ALARMS, (Attribute(_ALARM_COUNT, UINT16, 0),), {_RESET_ALARM: accept, _RESET_ALL_ALARMS: accept}
    )


def lock(
    ieee: str, pin_users: int = 20, log_records: int = 50, poll_interval_s: float | None = 0.5
) -> Description[Lock]:
    """A battery lock; with `poll_interval_s` None it always listens."""
    clusters = (
        basic("DL1", PowerSource.BATTERY),
        power_configuration(),
        identify(),
        _alarms(),
        _door_lock(pin_users, log_records),
    )
    return Description(ieee, (SimulatedEndpoint(1, _DOOR_LOCK_DEVICE, clusters),), Lock, poll_interval_s)
