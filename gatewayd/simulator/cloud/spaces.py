"""§2.3 and §2.11: spaces of a home (units, floors, rooms), and homes."""

from typing import Any, Final

from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    optional,
    required,
    single_page,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import clear_missing_spaces

_MISSING: Final = 400074
_NO_HOME: Final = 400079
_EXISTS: Final = 400080
_NO_NEW_DEFAULT: Final = 400082
_IS_DEFAULT: Final = 400083

_SUPERIOR_TYPES: Final = {"unit": (), "floor": ("unit",), "room": ("unit", "floor")}
"""The types of a space's superior, by the space's type; a unit has none."""

_HOMES: Final = "SELECT id FROM homes WHERE user_id = ?"


def list_spaces(call: HttpCall) -> HttpReply:
    """The spaces of the user's homes."""
    query = f"SELECT * FROM spaces WHERE home_id IN ({_HOMES}) ORDER BY id"  # noqa: S608  (constants alone)
    return HttpReply(200026, call.page(query, call.account["id"], to_wire=lambda row: _wire(call, row)))


def get_space(call: HttpCall) -> HttpReply:
    """One space."""
    return HttpReply(200022, single_page(_wire(call, _space(call, call.path_number))))


def create_space(call: HttpCall) -> HttpReply:
    """Create a space; under one superior each title is unique for a type."""
    type_ = required(call.data, "type", str)
    if type_ not in _SUPERIOR_TYPES:
        raise StatusError(BAD_PARAMETERS, "param 'type' is unit, floor or room")
    if optional(call.data, "is_default", bool):
        raise StatusError(_NO_NEW_DEFAULT)
    row: dict[str, Any] = {
        "home_id": _home(call),
        "superior_id": _superior(call, type_),
        "type": type_,
        "icon": optional(call.data, "icon", str),
        "title": required(call.data, "title", str),
        "is_default": False,
    }
    _refuse_duplicate(call, row, 0)
    return HttpReply(200023, single_page(_wire(call, {"id": call.state.db.add("spaces", row), **row})))


def update_space(call: HttpCall) -> HttpReply:
    """Change the fields that are sent."""
    space = _space(call, call.path_number)
    changes = {name: call.data[name] for name in ("title", "icon") if optional(call.data, name, str) is not None}
    if optional(call.data, "superior_id", int) is not None:
        changes["superior_id"] = _superior(call, space["type"])
    changed = space | changes
    _refuse_duplicate(call, changed, space["id"])
    call.state.db.change("spaces", space["id"], changes)
    return HttpReply(200024, single_page(_wire(call, changed)))


def delete_space(call: HttpCall) -> HttpReply:
    """Delete a space that is not a default one, with the spaces in it; its devices are then in no space."""
    space = _space(call, call.path_number)
    if space["is_default"]:
        raise StatusError(_IS_DEFAULT)
    call.state.db.remove("spaces", space["id"])
    clear_missing_spaces(call)
    return HttpReply(200025)


def list_homes(call: HttpCall) -> HttpReply:
    """§2.11."""
    query = "SELECT * FROM homes WHERE user_id = ? ORDER BY id"
    return HttpReply(200024, call.page(query, call.account["id"], to_wire=dict))


def update_home(call: HttpCall) -> HttpReply:
    """§2.11, which has no status for a home that does not exist: it is forbidden."""
    home = call.state.db.get("homes", call.path_number)
    if home is None or home["user_id"] != call.account["id"]:
        raise StatusError(FORBIDDEN)
    changes = {name: call.data[name] for name in ("title", "icon") if optional(call.data, name, str) is not None}
    call.state.db.change("homes", home["id"], changes)
    return HttpReply(200025, {"data": home | changes})


def _space(call: HttpCall, id_: int) -> Row:
    space = call.state.db.get("spaces", id_)
    if space is None:
        raise StatusError(_MISSING)
    home = call.state.db.get("homes", space["home_id"])
    if home is None or home["user_id"] != call.account["id"]:
        raise StatusError(FORBIDDEN)
    return space


def _home(call: HttpCall) -> int:
    home_id = optional(call.data, "home_id", int)
    if home_id is None:
        return call.state.home_of(call.account["id"])
    home = call.state.db.get("homes", home_id)
    if home is None:
        raise StatusError(_NO_HOME)
    if home["user_id"] != call.account["id"]:
        raise StatusError(FORBIDDEN)
    return home_id


def _superior(call: HttpCall, type_: str) -> int | None:
    """The superior of a space of this type; the example of §2.5 shows that `superior` is ignored."""
    superior_id = optional(call.data, "superior_id", int)
    if superior_id is None:
        if _SUPERIOR_TYPES[type_]:
            raise StatusError(BAD_PARAMETERS, f"if space type is {type_},param 'superior_id' is needed")
        return None
    superior = _space(call, superior_id)
    if superior["type"] not in _SUPERIOR_TYPES[type_]:
        raise StatusError(BAD_PARAMETERS, f"if space type is {type_},superior can not be {superior['type']}")
    return superior_id


def _refuse_duplicate(call: HttpCall, space: Row, id_: int) -> None:
    query = "SELECT id FROM spaces WHERE home_id = ? AND superior_id IS ? AND type = ? AND title = ? AND id != ?"
    if call.state.db.one(query, space["home_id"], space["superior_id"], space["type"], space["title"], id_) is not None:
        raise StatusError(_EXISTS)


def _wire(call: HttpCall, space: Row) -> Row:
    """§2.3 has `superior`, §2.5 `superior_id`."""
    wire = {name: space[name] for name in ("id", "home_id", "type", "icon", "title")}
    superior = {"superior_id" if call.in_batch else "superior": space["superior_id"]}
    return wire | superior | {"is_default": bool(space["is_default"])}


ROUTES: Final = (
    HttpRoute("2.3", "GET", "/api/iot/space/", list_spaces),
    HttpRoute("2.3", "GET", "/api/iot/space/{id}/", get_space),
    HttpRoute("2.3", "POST", "/api/iot/space/", create_space),
    HttpRoute("2.3", "PUT", "/api/iot/space/{id}/", update_space),
    HttpRoute("2.3", "DELETE", "/api/iot/space/{id}/", delete_space),
    HttpRoute("2.11", "GET", "/api/iot/home/", list_homes),
    HttpRoute("2.11", "PUT", "/api/iot/home/{id}/", update_home),
)
