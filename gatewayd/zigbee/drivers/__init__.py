"""The drivers: one module per kind of device. The rows of the catalogue name them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.zigbee.drivers import curtain, lock, sensor, socket, switch
from gatewayd.zigbee.drivers.base import Driver

DRIVERS: Final[Mapping[str, Driver]] = MappingProxyType(
    {
        "switch": switch.DRIVER,
        "lock": lock.DRIVER,
        "sensor": sensor.DRIVER,
        "socket": socket.DRIVER,
        "curtain": curtain.DRIVER,
    }
)
