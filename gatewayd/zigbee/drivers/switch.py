"""Switches (ZCL On/Off 0x0006): each endpoint with that cluster is a channel."""

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from zigpy.zcl.clusters.general import OnOff

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import Channel, Param, SwitchParam
from gatewayd.model.request import Operate, OperateSwitch, SwitchOperation
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import AttributeReport, DeviceState, Driver, ZclCommand

_ON_VALUE: Final = 100
_COMMANDS: Final[Mapping[SwitchOperation, int]] = MappingProxyType(
    {SwitchOperation.OFF: OnOff.ServerCommandDefs.off.id, SwitchOperation.ON: OnOff.ServerCommandDefs.on.id}
)


def channel_value(raw: int) -> Scalar:
    """OnOff, or the operation OFF or ON, as §12.4 `channel.value`: 0 off, 100 on."""
    return _ON_VALUE if raw else 0


ON_OFF_REPORT: Final = AttributeReport(
    OnOff.cluster_id,
    OnOff.AttributeDefs.on_off.id,
    "value",
    channel_value,
    min_interval_s=0,
    max_interval_s=600,
    change=1,
    per_channel=True,
)


def build_commands(action: Operate, state: DeviceState) -> tuple[ZclCommand, ...]:
    """On or Off for one channel or all. A toggle becomes the opposite of the channel's value: zigpy may send a command
    twice, and a repeated Toggle would undo itself.

    Raises RefusedError for a channel that the device does not have.
    """
    if not isinstance(action, OperateSwitch):
        raise RefusedError(f"a switch cannot do {action}", OperationStatus.BAD_PARAMETERS)
    return tuple(
        _command(channel, endpoint, _resolved(action.operation, channel, state.param))
        for channel, endpoint in _selected(action.channel, state)
    )


def _selected(channel: int, state: DeviceState) -> Iterable[tuple[int, int]]:
    """(channel, endpoint) of `channel`, of every one where it is 0."""
    if channel == 0:
        return state.channels.items()
    if channel not in state.channels:
        raise RefusedError(
            f"channel {channel}: this device has {', '.join(map(str, state.channels))}", OperationStatus.BAD_PARAMETERS
        )
    return ((channel, state.channels[channel]),)


def _resolved(operation: SwitchOperation, channel: int, param: Param) -> SwitchOperation:
    """OFF or ON; an unknown value counts as off."""
    if operation is not SwitchOperation.TOGGLE:
        return operation
    channels = param.channel if isinstance(param, SwitchParam) else ()
    value = next((one.value for one in channels if one.id == channel), None)
    return SwitchOperation.OFF if value else SwitchOperation.ON


def _command(channel: int, endpoint: int, operation: SwitchOperation) -> ZclCommand:
    value = Change("value", channel_value(operation), channel)
    effect = (
        value,
        Change("operate", operation.value),
        Change("operate_channel_id", channel),
    )
    return ZclCommand(
        endpoint, OnOff.cluster_id, _COMMANDS[operation], effect=effect, shows=partial(_shows, expected=value)
    )


def _shows(change: Change, *, expected: Change) -> bool | None:
    if (change.field, change.channel) != (expected.field, expected.channel) or change.value is None:
        return None
    return change.value == expected.value


def new_channels(count: int) -> tuple[Channel, ...]:
    """The channels of a device that has just joined."""
    return tuple(Channel(id=number, status=1) for number in range(1, count + 1))


DRIVER: Final = Driver(
    category=Category.SWITCH,
    reports=(ON_OFF_REPORT,),
    build_commands=build_commands,
    make_param=lambda count: SwitchParam(channel=new_channels(count)),
)
