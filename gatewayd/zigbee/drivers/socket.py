"""Sockets: a switch with a meter (ZCL Electrical Measurement 0x0B04, Metering 0x0702).

The divisors are the usual ones (0.1 W, 0.1 V, 1 mA, 1 Wh); a device with others needs a driver of its own.
"""

from typing import Final

from zigpy.zcl.clusters.homeautomation import ElectricalMeasurement
from zigpy.zcl.clusters.smartenergy import Metering

from gatewayd.model.ids import Category
from gatewayd.model.record import SocketParam
from gatewayd.zigbee.drivers.base import HOUR, AttributeReport, Driver, scaled
from gatewayd.zigbee.drivers.switch import ON_OFF_REPORT, build_commands, new_channels

_INVALID_U16: Final = frozenset({0xFFFF})
_INVALID_S16: Final = frozenset({-0x8000})
_INVALID_U48: Final = frozenset({0xFFFF_FFFF_FFFF})

DRIVER: Final = Driver(
    category=Category.SOCKET,
    reports=(
        ON_OFF_REPORT,
        AttributeReport(
            ElectricalMeasurement.cluster_id,
            ElectricalMeasurement.AttributeDefs.rms_voltage.id,
            "voltage",
            scaled(10, digits=1, invalid=_INVALID_U16),
            min_interval_s=10,
            max_interval_s=600,
            change=20,
        ),
        AttributeReport(
            ElectricalMeasurement.cluster_id,
            ElectricalMeasurement.AttributeDefs.rms_current.id,
            "current",
            scaled(1000, digits=3, invalid=_INVALID_U16),
            min_interval_s=5,
            max_interval_s=600,
            change=50,
        ),
        AttributeReport(
            ElectricalMeasurement.cluster_id,
            ElectricalMeasurement.AttributeDefs.active_power.id,
            "power",
            scaled(10, digits=1, invalid=_INVALID_S16),
            min_interval_s=5,
            max_interval_s=600,
            change=20,
        ),
        AttributeReport(
            Metering.cluster_id,
            Metering.AttributeDefs.current_summ_delivered.id,
            "energy",
            scaled(1000, digits=3, invalid=_INVALID_U48),
            min_interval_s=60,
            max_interval_s=HOUR,
            change=10,
        ),
    ),
    build_commands=build_commands,
    make_param=lambda count: SocketParam(channel=new_channels(count)),
)
