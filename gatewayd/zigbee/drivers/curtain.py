"""Curtains (ZCL Window Covering 0x0102). ZCL gives the position as per cent closed, the record as per cent open."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from zigpy.zcl.clusters.closures import WindowCovering

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import CurtainParam
from gatewayd.model.request import CurtainOperation, Operate, OperateCurtain
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import AttributeReport, DeviceState, Driver, ZclCommand, shows_nothing

_LARGEST_PERCENTAGE: Final = 100
_COMMANDS: Final[Mapping[CurtainOperation, int]] = MappingProxyType(
    {
        CurtainOperation.CLOSE: WindowCovering.ServerCommandDefs.down_close.id,
        CurtainOperation.OPEN: WindowCovering.ServerCommandDefs.up_open.id,
        CurtainOperation.STOP: WindowCovering.ServerCommandDefs.stop.id,
    }
)


def position(raw: int) -> Scalar:
    """Current Position Lift Percentage (0 open, 100 closed, 0xFF unknown) as per cent open."""
    return None if raw > _LARGEST_PERCENTAGE else _LARGEST_PERCENTAGE - raw


def build_commands(action: Operate, state: DeviceState) -> tuple[ZclCommand, ...]:
    """Close, open, stop, or go to a position. The curtain reports its position itself while it moves."""
    if not isinstance(action, OperateCurtain):
        raise RefusedError(f"a curtain cannot do {action}", OperationStatus.BAD_PARAMETERS)
    endpoint = state.channels[1]
    effect = (Change("operate", action.operation.value),)
    former = state.param.position if isinstance(state.param, CurtainParam) else None
    shows = shows_nothing if action.operation is CurtainOperation.STOP else partial(_shows, former=former)
    if action.position is not None:
        go_to = WindowCovering.ServerCommandDefs.go_to_lift_percentage.id
        closed = _LARGEST_PERCENTAGE - action.position
        return (ZclCommand(endpoint, WindowCovering.cluster_id, go_to, (closed,), effect, shows),)
    return (ZclCommand(endpoint, WindowCovering.cluster_id, _COMMANDS[action.operation], (), effect, shows),)


def _shows(change: Change, *, former: object) -> bool | None:
    """A curtain that has left its former position moves; one that is still there may be where it was to go."""
    if change.field != "position" or None in {change.value, former} or change.value == former:
        return None
    return True


DRIVER: Final = Driver(
    category=Category.CURTAIN,
    reports=(
        AttributeReport(
            WindowCovering.cluster_id,
            WindowCovering.AttributeDefs.current_position_lift_percentage.id,
            "position",
            position,
            min_interval_s=0,
            max_interval_s=600,
            change=1,
        ),
    ),
    build_commands=build_commands,
    make_param=lambda count: CurtainParam(),
)
