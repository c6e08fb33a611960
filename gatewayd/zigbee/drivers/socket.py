"""Sockets: a switch with a meter (ZCL Electrical Measurement 0x0B04, Metering 0x0702).

The divisors are the usual ones (0.1 W, 0.1 V, 1 mA, 1 Wh); a device with others gets a row of its own.
"""

from typing import Final

from gatewayd.model.ids import Category
from gatewayd.model.record import SocketParam
from gatewayd.zigbee.drivers.base import AttributeReport, Driver, scaled
from gatewayd.zigbee.drivers.switch import ON_OFF_READING, build_commands, channels

_U16: Final = frozenset({0xFFFF})
_S16: Final = frozenset({-0x8000})
_U48: Final = frozenset({0xFFFF_FFFF_FFFF})

DRIVER: Final = Driver(
    category=Category.SOCKET,
    readings=(
        ON_OFF_READING,
        AttributeReport(0x0B04, 0x0505, "voltage", scaled(10, digits=1, invalid=_U16), 10, 600, 20),
        AttributeReport(0x0B04, 0x0508, "current", scaled(1000, digits=3, invalid=_U16), 5, 600, 50),
        AttributeReport(0x0B04, 0x050B, "power", scaled(10, digits=1, invalid=_S16), 5, 600, 20),
        AttributeReport(0x0702, 0x0000, "energy", scaled(1000, digits=3, invalid=_U48), 60, 3600, 10),
    ),
    build_commands=build_commands,
    make_param=lambda count: SocketParam(channel=channels(count)),
)
