"""Sensors: temperature (ZCL 0x0402), humidity (0x0405), illuminance (0x0400), occupancy (0x0406), and IAS zones
(0x0500: doors, windows, motion, smoke, water).
"""

from typing import Final

from zigpy.zcl.clusters.measurement import (
    IlluminanceMeasurement,
    OccupancySensing,
    RelativeHumidity,
    TemperatureMeasurement,
)
from zigpy.zcl.clusters.security import IasZone

from gatewayd.model.change import Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import SensorParam
from gatewayd.model.request import Operate
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import (
    BATTERY,
    HOUR,
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

_INVALID_S16: Final = frozenset({-0x8000})
_INVALID_U16: Final = frozenset({0xFFFF})
_ALARM: Final = IasZone.ZoneStatus.Alarm_1 | IasZone.ZoneStatus.Alarm_2
_ZONE_ID: Final = 0  # given to every zone: the device's address identifies it
_ENROLLED: Final = (int(IasZone.EnrollResponse.Success), _ZONE_ID)


def lux(raw: int) -> Scalar:
    """Illuminance's Measured Value, 10,000 × log10(lux) + 1, as lux; 0 is too dark to measure, 0xFFFF invalid."""
    if raw in _INVALID_U16:
        return None
    return 0.0 if raw == 0 else round(10 ** ((raw - 1) / 10_000), 1)


def any_bit(mask: int) -> Convert:
    """A conversion to whether one of the bits of `mask` is set."""
    bits = int(mask)  # zigpy's flags would make a flag of each result
    return lambda raw: bool(raw & bits)


def _measured(
    cluster: type[TemperatureMeasurement | RelativeHumidity | IlluminanceMeasurement],
    field: str,
    convert: Convert,
    change: int,
) -> AttributeReport:
    attribute = cluster.AttributeDefs.measured_value.id
    return AttributeReport(cluster.cluster_id, attribute, field, convert, 5, 600, change)


def _zone_status(field: str, mask: int) -> AttributeReport:
    return AttributeReport(
        IasZone.cluster_id, IasZone.AttributeDefs.zone_status.id, field, any_bit(mask), 0, HOUR, change=1
    )


def _refuse(_action: Operate, _state: DeviceState) -> tuple[ZclCommand, ...]:
    raise RefusedError("a sensor cannot be operated", OperationStatus.BAD_PARAMETERS)


DRIVER: Final = Driver(
    category=Category.SENSOR,
    reports=(
        _measured(TemperatureMeasurement, "temperature", scaled(100, digits=2, invalid=_INVALID_S16), change=10),
        _measured(RelativeHumidity, "humidity", scaled(100, digits=2, invalid=_INVALID_U16), change=100),
        _measured(IlluminanceMeasurement, "illuminance", lux, change=500),
        AttributeReport(
            OccupancySensing.cluster_id,
            OccupancySensing.AttributeDefs.occupancy.id,
            "occupancy",
            any_bit(OccupancySensing.Occupancy.Occupied),
            min_interval_s=0,
            max_interval_s=600,
            change=1,
        ),
        _zone_status("alarm", _ALARM),
        _zone_status("tamper", IasZone.ZoneStatus.Tamper),
        _zone_status("low_battery", IasZone.ZoneStatus.Battery),
        BATTERY,
    ),
    notifications=(
        StatusNotification(
            IasZone.cluster_id,
            IasZone.ClientCommandDefs.status_change_notification.id,
            "zone_status",
            IasZone.AttributeDefs.zone_status.id,
        ),
    ),
    writes=((IasZone.cluster_id, IasZone.AttributeDefs.cie_addr.id, CoordinatorAddress),),
    enrollments=(
        ZoneEnrollment(
            IasZone.cluster_id,
            IasZone.ServerCommandDefs.enroll_response.id,
            _ENROLLED,
            requested_by=IasZone.ClientCommandDefs.enroll.id,
        ),
    ),
    build_commands=_refuse,
    make_param=lambda count: SensorParam(),
)
