"""Curtains (ZCL Window Covering 0x0102). ZCL counts how far it is closed, the record how far it is open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zigpy.zcl.clusters.closures import WindowCovering

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import CurtainParam
from gatewayd.model.request import CurtainOperation, Operate, OperateCurtain
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import AttributeReport, DeviceState, Driver, ZclCommand

COVERING: Final = 0x0102
_GO_TO_LIFT: Final = WindowCovering.ServerCommandDefs.go_to_lift_percentage.id

_COMMANDS: Final[Mapping[CurtainOperation, int]] = MappingProxyType(
    {
        CurtainOperation.CLOSE: WindowCovering.ServerCommandDefs.down_close.id,
        CurtainOperation.OPEN: WindowCovering.ServerCommandDefs.up_open.id,
        CurtainOperation.STOP: WindowCovering.ServerCommandDefs.stop.id,
    }
)


def position(raw: int) -> Scalar:
    """Current Position Lift Percentage 0x0008: 0 open, 100 closed, 0xFF unknown."""
    return None if raw > 100 else 100 - raw


def build_commands(action: Operate, state: DeviceState) -> tuple[ZclCommand, ...]:
    """Close, open, stop, or go to a position. The curtain reports its position itself while it moves."""
    if not isinstance(action, OperateCurtain):
        raise RefusedError(f"a curtain cannot do {action}", OperationStatus.BAD_PARAMETERS)
    endpoint = state.channels[1]
    effect = (Change("operate", action.operation.value),)
    if action.position is not None:
        return (ZclCommand(endpoint, COVERING, _GO_TO_LIFT, (100 - action.position,), effect),)
    return (ZclCommand(endpoint, COVERING, _COMMANDS[action.operation], effect=effect),)


DRIVER: Final = Driver(
    category=Category.CURTAIN,
    readings=(AttributeReport(COVERING, 0x0008, "position", position, 0, 600, 1),),
    build_commands=build_commands,
    make_param=lambda count: CurtainParam(),
)
