"""Changes of single fields of a record, and how they are applied. Pure."""

import msgspec
from msgspec.structs import replace

from gatewayd.model.record import Param, Record, SwitchParam

Scalar = str | int | float | bool | None


class Change(msgspec.Struct, frozen=True):
    """A new value of one field: of a record's `param` (`channel` 0), or of one of its channels (1 … n, §12.4)."""

    field: str
    value: Scalar
    channel: int = 0


def apply(record: Record, changes: tuple[Change, ...]) -> Record:
    """`record` after `changes`; the same object where they change nothing.

    Raises AttributeError for a field that the param does not have, TypeError for a channel where it has none: both are
    faults of a driver, not of input.
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
