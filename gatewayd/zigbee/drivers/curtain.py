"""Curtains (ZCL Window Covering 0x0102). ZCL counts how far it is closed, the record how far it is open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.change import Change, Scalar
from gatewayd.model.ids import Category
from gatewayd.model.record import CurtainParam
from gatewayd.model.request import Operate
from gatewayd.zigbee.drivers.base import AttributeReport, DeviceState, Driver, ZclCommand

COVERING: Final = 0x0102
_GO_TO_LIFT: Final = 0x05

# The API's `operate` and ZCL's command: close → down/close, open → up/open, stop.
_COMMANDS: Final[Mapping[int, int]] = MappingProxyType({0: 0x01, 1: 0x00, 2: 0x02})


def position(raw: int) -> Scalar:
    """Current Position Lift Percentage 0x0008: 0 open, 100 closed, 0xFF unknown."""
    return None if raw > 100 else 100 - raw


def build_commands(asked: Operate, situation: DeviceState) -> tuple[ZclCommand, ...]:
    """Open, close, stop, or go to a position. Where it is, it says itself while it moves."""
    endpoint = situation.channels[1]
    effect = (Change("operate", asked.operate),)
    if asked.position is not None:
        return (ZclCommand(endpoint, COVERING, _GO_TO_LIFT, (100 - asked.position,), effect),)
    return (ZclCommand(endpoint, COVERING, _COMMANDS[asked.operate], effect=effect),)


DRIVER: Final = Driver(
    category=Category.CURTAIN,
    readings=(AttributeReport(COVERING, 0x0008, "position", position, 0, 600, 1),),
    build_commands=build_commands,
    make_param=lambda count: CurtainParam(),
)
