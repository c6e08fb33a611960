"""What a user may see and change of a record (§7): below AUTHORIZE no contacts, phones, addresses, passwords or Wi-Fi,
and nothing of a duress alarm. Pure.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from gatewayd.model.permission import Permission
from gatewayd.model.record import CameraParam, GatewayParam, LockParam, Param, Record

_PRIVATE: Final[Mapping[type[Param], frozenset[str]]] = MappingProxyType(
    {
        GatewayParam: frozenset({"ip", "ap_ssid", "access_ssid", "access_pass"}),
        LockParam: frozenset(
            {"user", "pass_", "temp_pass", "temp_phone", "temp_brief"}
            | {"hijack_name", "hijack_contact", "hijack_contact_phone", "hijack_contact_addr", "is_push_hijack"}
            | {f"illegal_unlock_alarm_{what}{number}" for what in ("phone", "contact") for number in (1, 2)}
        ),
        CameraParam: frozenset(
            {"ip", "user", "pass_", "admin_user", "admin_pass", "p2pid"}
            | {"wifi_ssid", "wifi_pass", "wifi_channel", "wifi_status", "wifi_safety"}
        ),
    }
)
"""The private fields of each kind of param, by their names in `model.record`."""


_GUARDED: Final[Mapping[type[Param], frozenset[str]]] = MappingProxyType(
    {LockParam: frozenset({"is_push_illegal_unlock"})}
)
"""What everyone may see who may query, and nobody below AUTHORIZE may change: it silences an alarm."""


def may_change(level: Permission, kind: type[Param], fields: Collection[str]) -> bool:
    """Whether a user of `level` may change `fields` of a param of this `kind`: none that he may not see."""
    if level >= Permission.AUTHORIZE:
        return True
    guarded = _PRIVATE.get(kind, frozenset()) | _GUARDED.get(kind, frozenset())
    return guarded.isdisjoint(fields)


def visible_record(record: Record | None, level: Permission) -> Record | None:
    """`record` as a user of `level` may see it; None for a user who may not query.

    Below AUTHORIZE the private fields have their defaults, and keys that this gateway does not know are left out: what
    is in them cannot be judged.
    """
    if record is None or level < Permission.QUERY:
        return None
    if level >= Permission.AUTHORIZE:
        return record
    param = record.param
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(type(param))
        if field.name in _PRIVATE.get(type(param), frozenset())
    }
    return replace(record, param=replace(param, **defaults), extra={}, param_extra={})
