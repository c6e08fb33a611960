"""A record here and the cloud's copy of it: whose word counts, field by field. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from gatewayd.model.field_ownership import (
    CLOUD_FIELDS,
    HOUSEHOLD_CHANNEL_FIELDS,
    HOUSEHOLD_FIELDS,
    household_param_fields,
)
from gatewayd.model.record import Channel, Param, Record, SwitchParam
from gatewayd.model.record_wire import to_wire

Wire = Mapping[str, Any]

_IDS: Final = frozenset({"id", "info_id"})


def merge(mine: Record, theirs: Record, wire: Wire) -> Record:
    """`mine` with what the cloud and the household say of it; `theirs` was read from `wire`.

    What the household changed here and the cloud has not taken yet stays, and so does what `wire` does not say.
    """
    header = _said(theirs, wire, CLOUD_FIELDS | (HOUSEHOLD_FIELDS - set(mine.edited)))
    if theirs.category is not mine.category:
        return replace(mine, **header, unlinked=False)
    param_wire = wire.get("param") or {}
    return replace(
        mine,
        **header,
        unlinked=False,
        param=_merge_param(mine, theirs.param, param_wire),
        extra={**mine.extra, **theirs.extra},
        param_extra={**mine.param_extra, **theirs.param_extra},
    )


def is_behind(mine: Record, wire: Wire) -> bool:
    """True where the cloud's copy says something else of what the radio knows."""
    said = to_wire(mine)
    param, param_wire = said.pop("param"), wire.get("param") or {}
    known = {item.encode_name for item in msgspec.structs.fields(type(mine.param))}
    radios = known - household_param_fields(mine.category) - _IDS - {"channel"}
    if _differ(said, wire, {"ver"}) or _differ(param, param_wire, radios):
        return True
    theirs = {one.get("id"): one for one in param_wire.get("channel") or () if isinstance(one, dict)}
    return any(_differ(one, theirs.get(one["id"], {}), {"value", "status"}) for one in param.get("channel", ()))


def was_edited(before: Record, now: Record) -> bool:
    """True where the household has changed the record here in between, or the cloud has taken such a change."""
    here, there = to_wire(before), to_wire(now)
    return (
        before.edited != now.edited
        or _differ(here, there, HOUSEHOLD_FIELDS)
        or _differ(here["param"], there["param"], household_param_fields(now.category))
    )


def _differ(mine: Wire, theirs: Wire, names: set[str] | frozenset[str]) -> bool:
    return any(name in theirs and mine.get(name) != theirs[name] for name in names)


def _merge_param(mine: Record, theirs: Param, wire: Wire) -> Param:
    edited = {name.removeprefix("param.") for name in mine.edited if name.startswith("param.")}
    param: Param = replace(mine.param, **_said(theirs, wire, household_param_fields(mine.category) - edited))
    if isinstance(param, SwitchParam) and isinstance(theirs, SwitchParam):
        return replace(param, channel=_merge_channels(param.channel, theirs.channel, wire.get("channel") or ()))
    return param


def _merge_channels(mine: tuple[Channel, ...], theirs: tuple[Channel, ...], wires: Any) -> tuple[Channel, ...]:
    found = {one.id: (one, wire) for one, wire in zip(theirs, wires, strict=True)}
    return tuple(_merge_channel(one, *found[one.id]) if one.id in found else one for one in mine)


def _merge_channel(mine: Channel, theirs: Channel, wire: Wire) -> Channel:
    return replace(mine, **_said(theirs, wire, HOUSEHOLD_CHANNEL_FIELDS), extra={**mine.extra, **theirs.extra})


def _said(theirs: msgspec.Struct, wire: Wire, names: frozenset[str] | set[str]) -> dict[str, Any]:
    """The fields among `names` (the wire's) that `wire` really says, under the struct's own names."""
    return {
        item.name: getattr(theirs, item.name)
        for item in msgspec.structs.fields(type(theirs))
        if item.encode_name in names and (wire.get(item.encode_name) is not None or _clears(item, wire))
    }


def _clears(item: msgspec.structs.FieldInfo, wire: Wire) -> bool:
    """A null clears what can be null; elsewhere it says nothing."""
    return item.encode_name in wire and item.default in (None, msgspec.UNSET)
