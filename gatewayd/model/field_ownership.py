"""Which side owns each field of a record. Names are those of the wire (§12).

The cloud gives ids and permissions; the household sets titles, rooms, limits and reminders; every other field comes
from the radio. `cloud/sync/merge.py` merges records by these tables.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.ids import Category

CLOUD_FIELDS: Final = frozenset({"id", "user_id", "create_time", "perm", "authorization_id"})
"""Fields of the header that the cloud owns."""

HOUSEHOLD_FIELDS: Final = frozenset({"title", "icon"})
"""Fields of the header that the household owns."""

HOUSEHOLD_CHANNEL_FIELDS: Final = frozenset(
    {"swtich_id", "icon", "title", "unit_id", "floor_id", "room_id"}
    | {f"{click}_bind_{part}" for click in ("onclick", "doubleclick") for part in ("id", "value")}
)
"""Fields of a channel (§12.4) that the household owns."""

_LOCATION: Final = frozenset({"unit_id", "floor_id", "room_id"})
_PARAM_FIELDS: Final[Mapping[Category, frozenset[str]]] = MappingProxyType(
    {
        Category.GATEWAY: _LOCATION
        | {"env_thsensor_id", "env_pmsensor_id", "is_local_env", "is_remind_devoff"}
        | {"remind_start_time", "remind_stop_time"}
        | {f"shortcut_dev_id{number}" for number in (1, 2, 3, 4)},
        Category.LOCK: _LOCATION
        | {"door_contact_id", "is_remind_status", "no_open_remtime", "no_close_remtime"}
        | {"lowpower_limit", "pass_error_limit", "is_push_operate", "is_push_lowpower", "is_push_noopen"}
        | {"is_push_passerr", "is_push_hijack", "is_push_illegalunlcok"}
        | {"hijack_name", "hijack_contact", "hijack_contact_phone", "hijack_contact_addr"}
        | {f"illegalunlcok_alarm_{part}{number}" for part in ("phone", "contact") for number in (1, 2)},
    }
)


def household_param_fields(category: Category) -> frozenset[str]:
    """The fields of `param` that the household owns in a record of this category."""
    return _PARAM_FIELDS.get(category, _LOCATION)
