"""Records as JSON objects of §12 and back. Keys that this gateway does not know are kept and given back."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category
from gatewayd.model.record import PARAM_OF, Channel, Extra, Header, Param, Record

_CATEGORIES: Final = frozenset(Category)

# The vendor's spellings, which go out, by the dictionary's, which §2.6 has and somebody may correct the others to.
_ALSO: Final[Mapping[str, str]] = MappingProxyType(
    {"switch_id": "swtich_id", "is_push_illegalunlock": "is_push_illegalunlcok"}
    | {
        f"illegalunlock_alarm_{what}{number}": f"illegalunlcok_alarm_{what}{number}"
        for what in ("phone", "contact")
        for number in (1, 2)
    }
)


def to_wire(record: Record) -> dict[str, Any]:
    """`record` as a new JSON object of §12: `type_sub` in a gateway's (§12.1), `type` in the others' (§12.2 on)."""
    wire: dict[str, Any] = msgspec.to_builtins(record)
    extra, param_extra = wire.pop("extra"), wire.pop("param_extra")
    for ours in ("unlinked", "edited"):
        del wire[ours]
    if record.category is not Category.GATEWAY:
        wire["type"] = wire.pop("type_sub")
    del wire["param"]["type"]  # the struct's tag
    for channel in wire["param"].get("channel", ()):
        channel.update(channel.pop("extra"))
    wire["param"].update(param_extra)
    wire.update(extra)
    return wire


def from_wire(wire: Mapping[str, Any]) -> Record:
    """The record that a §12 JSON object describes; reads `type` and `type_sub` alike and keeps unknown keys.

    A category that is not this gateway's becomes UNKNOWN and is given back as it came. A null stands for the default
    where a field cannot be null. Raises MalformedError with the path of the fault.
    """
    known, extra = _split(wire, Header)
    param_wire = extra.pop("param", None)
    if "type" in extra:
        known.setdefault("type_sub", extra.pop("type"))
    category = known.get("category")
    if not isinstance(category, str | None):
        raise MalformedError(
            f"record {wire.get('uuid')!r}: Expected `str`, got `{type(category).__name__}` - at `$.category`"
        )
    if category not in _CATEGORIES:
        extra["category"] = category
        known["category"] = Category.UNKNOWN
    place = f"record {wire.get('uuid')!r}"
    try:
        header = msgspec.convert(known, Header, strict=False)  # §2.2 writes `"perm": "7"`
        place += " param"
        param, param_extra = _param_from_wire(header.category, {} if param_wire is None else param_wire)
    except (msgspec.ValidationError, TypeError) as error:
        raise MalformedError(f"{place}: {error}") from error
    return Record(**msgspec.structs.asdict(header), param=param, extra=extra, param_extra=param_extra)


def _param_from_wire(category: Category, wire: Mapping[str, Any]) -> tuple[Param, Extra]:
    kind = PARAM_OF[category]
    known, extra = _split(wire, kind)
    if "channel" in known:
        known["channel"] = [_channel_from_wire(channel) for channel in known["channel"]]
    return msgspec.convert(known, kind), extra


def _channel_from_wire(wire: Mapping[str, Any]) -> dict[str, Any]:
    known, extra = _split(wire, Channel)
    return {**known, "extra": extra}


def _split(wire: Mapping[str, Any], kind: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of `wire` that `kind` has, without nulls that it cannot hold, and the others."""
    if not isinstance(wire, Mapping):
        raise TypeError(f"Expected `object`, got `{type(wire).__name__}`")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in wire.items():
        name = _ALSO.get(key, key)
        if name not in fields or name == "extra":
            extra[key] = value
        elif value is not None or fields[name].default in (None, UNSET):
            known[name] = value
    return known, extra
