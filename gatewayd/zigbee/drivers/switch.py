"""Switches (ZCL On/Off 0x0006), one channel an endpoint."""

from collections.abc import Iterable
from typing import Final

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import Channel, SwitchParam
from gatewayd.model.request import Operate
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import AttributeReport, DeviceState, Driver, ZclCommand

ON_OFF: Final = 0x0006
OFF, ON, TOGGLE = 0, 1, 2  # the API's `operate`; the first two are ZCL's commands as well
_ON_VALUE: Final = 100


def value(raw: int) -> Scalar:
    """§12.4 `channel.value`: 0 off, 100 on."""
    return _ON_VALUE if raw else 0


ON_OFF_READING: Final = AttributeReport(ON_OFF, 0x0000, "value", value, 0, 600, 1, per_channel=True)


def build_commands(asked: Operate, situation: DeviceState) -> tuple[ZclCommand, ...]:
    """Off or on, for one channel or all. A toggle becomes what it means now: sent again it must not undo itself."""
    return tuple(
        _order(channel, endpoint, _command(asked.operate, channel, situation))
        for channel, endpoint in _meant(asked.channel, situation)
    )


def _meant(channel: int, situation: DeviceState) -> Iterable[tuple[int, int]]:
    if channel == 0:
        return situation.channels.items()
    if channel not in situation.channels:
        raise RefusedError(
            f"channel {channel}: this device has {', '.join(map(str, situation.channels))}",
            OperationStatus.BAD_PARAMETERS,
        )
    return ((channel, situation.channels[channel]),)


def _command(operate: int, channel: int, situation: DeviceState) -> int:
    if operate != TOGGLE:
        return operate
    assert isinstance(situation.param, SwitchParam)
    now = next((one.value for one in situation.param.channel if one.id == channel), None)
    return OFF if now else ON


def _order(channel: int, endpoint: int, command: int) -> ZclCommand:
    effect = (
        Change("value", value(command), channel),
        Change("operate", command),
        Change("operate_channel_id", channel),
    )
    return ZclCommand(endpoint, ON_OFF, command, effect=effect)


def channels(count: int) -> tuple[Channel, ...]:
    """The channels of a device that has just joined."""
    return tuple(Channel(id=number, status=1) for number in range(1, count + 1))


DRIVER: Final = Driver(
    category=Category.SWITCH,
    readings=(ON_OFF_READING,),
    build_commands=build_commands,
    make_param=lambda count: SwitchParam(channel=channels(count)),
)
