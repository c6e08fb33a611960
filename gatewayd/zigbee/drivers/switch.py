"""Switches (ZCL On/Off 0x0006), one channel an endpoint."""

from collections.abc import Iterable, Mapping
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

ON_OFF: Final = 0x0006
_ON_VALUE: Final = 100
_COMMANDS: Final[Mapping[SwitchOperation, int]] = MappingProxyType(
    {SwitchOperation.OFF: OnOff.ServerCommandDefs.off.id, SwitchOperation.ON: OnOff.ServerCommandDefs.on.id}
)


def value(raw: int) -> Scalar:
    """§12.4 `channel.value`: 0 off, 100 on."""
    return _ON_VALUE if raw else 0


ON_OFF_READING: Final = AttributeReport(ON_OFF, 0x0000, "value", value, 0, 600, 1, per_channel=True)


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
    effect = (
        Change("value", value(operation), channel),
        Change("operate", operation.value),
        Change("operate_channel_id", channel),
    )
    return ZclCommand(endpoint, ON_OFF, _COMMANDS[operation], effect=effect)


def channels(count: int) -> tuple[Channel, ...]:
    """The channels of a device that has just joined."""
    return tuple(Channel(id=number, status=1) for number in range(1, count + 1))


DRIVER: Final = Driver(
    category=Category.SWITCH,
    readings=(ON_OFF_READING,),
    build_commands=build_commands,
    make_param=lambda count: SwitchParam(channel=channels(count)),
)
