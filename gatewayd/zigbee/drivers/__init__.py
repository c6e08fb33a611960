"""One module a kind of device, each with its rows; the catalogue names them."""

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
