"""Sensors: temperature (ZCL 0x0402), humidity (0x0405), illuminance (0x0400), occupancy (0x0406), and whatever gives
alarm (IAS Zone 0x0500: doors, windows, motion, smoke, water).
"""

from typing import Final

from gatewayd.model.change import Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import SensorParam
from gatewayd.model.request import Operate
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import (
    BATTERY,
    AttributeReport,
    Convert,
    CoordinatorAddress,
    DeviceState,
    Driver,
    StatusNotification,
    ZclCommand,
    ZoneEnrollment,
    scaled,
)

ZONE: Final = 0x0500
_STATUS, _CONTROLLER = 0x0002, 0x0010
_STATUS_CHANGED, _ENROL = 0x00, 0x01
_ENROLLED: Final = (0x00, 0)  # success, and the zone's number


def lux(raw: int) -> Scalar:
    """Illuminance 0x0000: 10,000 × log10(lux) + 1; 0 is too dark to measure, 0xFFFF invalid."""
    if raw == 0xFFFF:
        return None
    return 0.0 if raw == 0 else round(10 ** ((raw - 1) / 10_000), 1)


def bit(mask: int) -> Convert:
    """Whether one of these bits is set."""
    return lambda raw: bool(raw & mask)


def _zone(field: str, mask: int) -> AttributeReport:
    return AttributeReport(ZONE, _STATUS, field, bit(mask), 0, 3600, 1)


def _refuse(_action: Operate, _state: DeviceState) -> tuple[ZclCommand, ...]:
    raise RefusedError("a sensor cannot be operated", OperationStatus.BAD_PARAMETERS)


DRIVER: Final = Driver(
    category=Category.SENSOR,
    readings=(
        AttributeReport(0x0402, 0x0000, "temperature", scaled(100, digits=2, invalid=frozenset({-0x8000})), 5, 600, 10),
        AttributeReport(0x0405, 0x0000, "humidity", scaled(100, digits=2, invalid=frozenset({0xFFFF})), 5, 600, 100),
        AttributeReport(0x0400, 0x0000, "illuminance", lux, 5, 600, 500),
        AttributeReport(0x0406, 0x0000, "occupancy", bit(1), 0, 600, 1),
        _zone("alarm", 0x0003),
        _zone("tamper", 0x0004),
        _zone("low_battery", 0x0008),
        BATTERY,
    ),
    notices=(StatusNotification(ZONE, _STATUS_CHANGED, "zone_status", _STATUS),),
    write=((ZONE, _CONTROLLER, CoordinatorAddress),),  # whom it tells
    greetings=(ZoneEnrollment(ZONE, 0x00, _ENROLLED, asked_by=_ENROL),),
    build_commands=_refuse,
    make_param=lambda count: SensorParam(),
)
