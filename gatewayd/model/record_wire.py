"""Records as JSON objects of §12, and back. Keys without a field here are kept in `extra` and encoded again."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category
from gatewayd.model.record import PARAM_OF, Channel, Extra, Header, Param, Record

_CATEGORIES: Final = frozenset(Category)

# Correct spellings, which §2.6 uses, → the vendor's, which are sent. Both are decoded.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"switch_id": "swtich_id", "is_push_illegalunlock": "is_push_illegalunlcok"}
    | {
        f"illegalunlock_alarm_{what}{number}": f"illegalunlcok_alarm_{what}{number}"
        for what in ("phone", "contact")
        for number in (1, 2)
    }
)


def to_wire(record: Record) -> dict[str, Any]:
    """`record` as a new JSON object of §12, with `type_sub` for a gateway (§12.1) and `type` for others (§12.2 on)."""
    wire: dict[str, Any] = msgspec.to_builtins(record)
    extra, param_extra = wire.pop("extra"), wire.pop("param_extra")
    for not_in_api in ("unlinked", "edited"):
        del wire[not_in_api]
    if record.category is not Category.GATEWAY:
        wire["type"] = wire.pop("type_sub")
    del wire["param"]["type"]  # the struct's tag
    for channel in wire["param"].get("channel", ()):
        channel.update(channel.pop("extra"))
    wire["param"].update(param_extra)
    wire.update(extra)
    return wire


def from_wire(wire: Mapping[str, Any]) -> Record:
    """The record that a JSON object of §12 describes; `type` and `type_sub` are read alike, unknown keys are kept.

    An unknown category becomes `Category.UNKNOWN`, and its text is kept for `to_wire`. A null in a field that cannot be
    null means the default. Raises MalformedError with the path of the fault.
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
        param, param_extra = _decode_param(header.category, {} if param_wire is None else param_wire)
    except (msgspec.ValidationError, TypeError) as error:
        raise MalformedError(f"{place}: {error}") from error
    return Record(**msgspec.structs.asdict(header), param=param, extra=extra, param_extra=param_extra)


def _decode_param(category: Category, wire: Mapping[str, Any]) -> tuple[Param, Extra]:
    kind = PARAM_OF[category]
    known, extra = _split(wire, kind)
    if "channel" in known:
        known["channel"] = [_decode_channel(channel) for channel in known["channel"]]
    return msgspec.convert(known, kind), extra


def _decode_channel(wire: Mapping[str, Any]) -> dict[str, Any]:
    known, extra = _split(wire, Channel)
    return {**known, "extra": extra}


def _split(wire: Mapping[str, Any], kind: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of `wire` that are fields of `kind`, without nulls that the field cannot hold; and all other keys."""
    if not isinstance(wire, Mapping):
        raise TypeError(f"Expected `object`, got `{type(wire).__name__}`")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in wire.items():
        name = _ALIASES.get(key, key)
        if name not in fields or name == "extra":
            extra[key] = value
        elif value is not None or fields[name].default in (None, UNSET):
            known[name] = value
    return known, extra
