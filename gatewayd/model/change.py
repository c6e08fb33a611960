"""How a record changes: field by field, by pure functions."""

import msgspec
from msgspec.structs import replace

from gatewayd.model.record import Param, Record, SwitchParam

Scalar = str | int | float | bool | None


class Change(msgspec.Struct, frozen=True):
    """One field of a record's `param` takes a value; `channel` 1 … n is that channel's field, 0 the device's own."""

    field: str
    value: Scalar
    channel: int = 0


def apply(record: Record, changes: tuple[Change, ...]) -> Record:
    """`record` after `changes`; the very same object where they change nothing.

    Raises TypeError for a field that the record's param does not have: that is a driver's fault, not input.
    """
    param = record.param
    for change in changes:
        if change.channel:
            param = _apply_to_channel(param, change)
        elif getattr(param, change.field) != change.value:
            param = replace(param, **{change.field: change.value})
    return record if param is record.param else replace(record, param=param)


def _apply_to_channel(param: Param, change: Change) -> Param:
    if not isinstance(param, SwitchParam):
        raise TypeError(f"{type(param).__name__} has no channels: {change}")
    channels = tuple(
        replace(channel, **{change.field: change.value})
        if channel.id == change.channel and getattr(channel, change.field) != change.value
        else channel
        for channel in param.channel
    )
    unchanged = all(new is old for new, old in zip(channels, param.channel, strict=True))
    return param if unchanged else replace(param, channel=channels)
