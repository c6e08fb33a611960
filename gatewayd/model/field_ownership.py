"""Who says what of a record: each field has one master (gateway.md, section 6). Names are the wire's (§12).

The household names and places its things and says how it wants to be told; the cloud gives ids and rights; everything
else is what the radio knows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.ids import Category

CLOUD: Final = frozenset({"id", "user_id", "create_time", "perm", "authorization_id"})
"""Of the header."""

HOUSEHOLD: Final = frozenset({"title", "icon"})
"""Of the header."""

HOUSEHOLD_CHANNEL: Final = frozenset(
    {"swtich_id", "icon", "title", "unit_id", "floor_id", "room_id"}
    | {f"{click}_bind_{what}" for click in ("onclick", "doubleclick") for what in ("id", "value")}
)
"""Of a channel (§12.4)."""

_PLACE: Final = frozenset({"unit_id", "floor_id", "room_id"})
_PARAM: Final[Mapping[Category, frozenset[str]]] = MappingProxyType(
    {
        Category.GATEWAY: _PLACE
        | {"env_thsensor_id", "env_pmsensor_id", "is_local_env", "is_remind_devoff"}
        | {"remind_start_time", "remind_stop_time"}
        | {f"shortcut_dev_id{number}" for number in (1, 2, 3, 4)},
        Category.LOCK: _PLACE
        | {"door_contact_id", "is_remind_status", "no_open_remtime", "no_close_remtime"}
        | {"lowpower_limit", "pass_error_limit", "is_push_operate", "is_push_lowpower", "is_push_noopen"}
        | {"is_push_passerr", "is_push_hijack", "is_push_illegalunlcok"}
        | {"hijack_name", "hijack_contact", "hijack_contact_phone", "hijack_contact_addr"}
        | {f"illegalunlcok_alarm_{what}{number}" for what in ("phone", "contact") for number in (1, 2)},
    }
)


def household_param(category: Category) -> frozenset[str]:
    """What the household says in the `param` of a device of this kind."""
    return _PARAM.get(category, _PLACE)
