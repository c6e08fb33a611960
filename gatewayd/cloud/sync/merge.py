"""A local record and the cloud's copy of it, merged field by field as `model/field_ownership` says. Pure.

`remote` is the cloud's copy as a record, `remote_json` the JSON that it was decoded from: only the JSON tells a missing
key from a null.
"""

from collections.abc import Mapping, Sequence
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

JsonObject = Mapping[str, Any]

_PARAM_IDS: Final = frozenset({"id", "info_id"})
_RADIO_CHANNEL_FIELDS: Final = frozenset({"value", "status"})


def merge(local: Record, remote: Record, remote_json: JsonObject) -> Record:
    """`local` with the fields of `remote` that the cloud or the household owns.

    Fields that the household changed here and the cloud has not stored yet stay, and so do fields that are missing in
    `remote_json`.
    """
    header = _present_fields(remote, remote_json, CLOUD_FIELDS | (HOUSEHOLD_FIELDS - set(local.edited)))
    if remote.category is not local.category:
        return replace(local, **header, unlinked=False)
    return replace(
        local,
        **header,
        unlinked=False,
        param=_merge_param(local, remote.param, remote_json.get("param") or {}),
        extra={**local.extra, **remote.extra},
        param_extra={**local.param_extra, **remote.param_extra},
    )


def is_cloud_outdated(local: Record, remote_json: JsonObject) -> bool:
    """True where the cloud's copy has another value in a field that the radio owns."""
    local_json = to_wire(local)
    param, remote_param = local_json.pop("param"), _object(remote_json.get("param"))
    param_fields = {item.encode_name for item in msgspec.structs.fields(type(local.param))}
    radio_fields = param_fields - household_param_fields(local.category) - _PARAM_IDS - {"channel"}
    if _differ(local_json, remote_json, {"ver"}) or _differ(param, remote_param, radio_fields):
        return True
    if not isinstance(local.param, SwitchParam):
        return False  # a `channel` here is a key that the record has without a field for it
    remote_channels = _channels_by_id(remote_param.get("channel"))
    return any(
        _differ(channel, remote_channels.get(channel["id"], {}), _RADIO_CHANNEL_FIELDS) for channel in param["channel"]
    )


def has_household_change(before: Record, after: Record) -> bool:
    """True where the household changed the record between `before` and `after`, or the cloud stored such a change."""
    before_json, after_json = to_wire(before), to_wire(after)
    return (
        before.edited != after.edited
        or _differ(before_json, after_json, HOUSEHOLD_FIELDS)
        or _differ(before_json["param"], after_json["param"], household_param_fields(after.category))
    )


def _object(value: Any) -> JsonObject:
    """A JSON value as an object: {} where it is none. What a record of another category has is not checked."""
    return value if isinstance(value, Mapping) else {}


def _channels_by_id(value: Any) -> dict[int, JsonObject]:
    """The channels of a `param` that need not be a switch's, as far as they have an id."""
    channels = value if isinstance(value, list) else []
    return {one["id"]: one for one in map(_object, channels) if isinstance(one.get("id"), int)}


def _differ(one: JsonObject, other: JsonObject, names: set[str] | frozenset[str]) -> bool:
    """True where `other` has a field of `names` with another value than `one`."""
    return any(name in other and one.get(name) != other[name] for name in names)


def _merge_param(local: Record, remote: Param, remote_json: JsonObject) -> Param:
    edited = {name.removeprefix("param.") for name in local.edited if name.startswith("param.")}
    names = household_param_fields(local.category) - edited
    param: Param = replace(local.param, **_present_fields(remote, remote_json, names))
    if isinstance(param, SwitchParam) and isinstance(remote, SwitchParam):
        channels = _merge_channels(param.channel, remote.channel, remote_json.get("channel") or ())
        return replace(param, channel=channels)
    return param


def _merge_channels(
    local: Sequence[Channel], remote: Sequence[Channel], remote_json: Sequence[JsonObject]
) -> tuple[Channel, ...]:
    by_id = {channel.id: (channel, json) for channel, json in zip(remote, remote_json, strict=True)}
    return tuple(_merge_channel(channel, *by_id[channel.id]) if channel.id in by_id else channel for channel in local)


def _merge_channel(local: Channel, remote: Channel, remote_json: JsonObject) -> Channel:
    fields = _present_fields(remote, remote_json, HOUSEHOLD_CHANNEL_FIELDS)
    return replace(local, **fields, extra={**local.extra, **remote.extra})


def _present_fields(
    remote: msgspec.Struct, remote_json: JsonObject, names: frozenset[str] | set[str]
) -> dict[str, Any]:
    """The fields of `names` (by their names on the wire) that `remote_json` has, by the struct's own names.

    A null counts only in a field that can be null.
    """
    return {
        item.name: getattr(remote, item.name)
        for item in msgspec.structs.fields(type(remote))
        if item.encode_name in names
        and item.encode_name in remote_json
        and (remote_json[item.encode_name] is not None or item.default in (None, msgspec.UNSET))
    }
