"""Sensors: temperature (ZCL 0x0402), humidity (0x0405), illuminance (0x0400), occupancy (0x0406)."""

from typing import Final

from gatewayd.model.change import Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.record import SensorParam
from gatewayd.model.request import Operate
from gatewayd.model.status import Operation
from gatewayd.model.words import Category
from gatewayd.zigbee.driver import BATTERY, Driver, Order, Reading, Situation, scaled


def lux(raw: int) -> Scalar:
    """Illuminance 0x0000: 10,000 × log10(lux) + 1; 0 is too dark to measure, 0xFFFF invalid."""
    if raw == 0xFFFF:
        return None
    return 0.0 if raw == 0 else round(10 ** ((raw - 1) / 10_000), 1)


def _obey(_asked: Operate, _situation: Situation) -> tuple[Order, ...]:
    raise RefusedError("a sensor cannot be told to do anything", Operation.BAD_PARAMETERS)


DRIVER: Final = Driver(
    category=Category.SENSOR,
    readings=(
        Reading(0x0402, 0x0000, "temperature", scaled(100, digits=2, invalid=frozenset({-0x8000})), 5, 600, 10),
        Reading(0x0405, 0x0000, "humidity", scaled(100, digits=2, invalid=frozenset({0xFFFF})), 5, 600, 100),
        Reading(0x0400, 0x0000, "illuminance", lux, 5, 600, 500),
        Reading(0x0406, 0x0000, "occupancy", lambda raw: bool(raw & 1), 0, 600, 1),
        BATTERY,
    ),
    obey=_obey,
    make_param=lambda count: SensorParam(),
)
