"""§2.3 and §2.11: units, floors and rooms of a home, and the home."""

from typing import Any, Final

from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    HttpCall,
    HttpReply,
    HttpRoute,
    SaidError,
    may,
    need,
    single,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import leave_lost_spaces

_MISSING: Final = 400074
_NO_HOME: Final = 400079
_EXISTS: Final = 400080
_NO_NEW_DEFAULT: Final = 400082
_IS_DEFAULT: Final = 400083

_ABOVE: Final = {"unit": (), "floor": ("unit",), "room": ("unit", "floor")}
"""What may be above a space of a type; a unit has nothing above it."""

_HOMES: Final = "SELECT id FROM homes WHERE user_id = ?"


def list_spaces(call: HttpCall) -> HttpReply:
    """Those of the user's homes."""
    query = f"SELECT * FROM spaces WHERE home_id IN ({_HOMES}) ORDER BY id"  # noqa: S608  (constants alone)
    return HttpReply(200026, call.page_of(query, call.account["id"], shown=lambda row: _shown(call, row)))


def get_space(call: HttpCall) -> HttpReply:
    """One."""
    return HttpReply(200022, single(_shown(call, _space(call, call.number))))


def create_space(call: HttpCall) -> HttpReply:
    """A new one: of a title that is new beside it, under a space of the type that may be above it."""
    kind = need(call.data, "type", str)
    if kind not in _ABOVE:
        raise SaidError(BAD_PARAMETERS, "param 'type' is unit, floor or room")
    if may(call.data, "is_default", bool):
        raise SaidError(_NO_NEW_DEFAULT)
    row: dict[str, Any] = {
        "home_id": _home(call),
        "superior_id": _superior(call, kind),
        "type": kind,
        "icon": may(call.data, "icon", str),
        "title": need(call.data, "title", str),
        "is_default": False,
    }
    _refuse_twins(call, row, 0)
    return HttpReply(200023, single(_shown(call, {"id": call.state.db.add("spaces", row), **row})))


def update_space(call: HttpCall) -> HttpReply:
    """Change what is said."""
    space = _space(call, call.number)
    changes = {name: call.data[name] for name in ("title", "icon") if may(call.data, name, str) is not None}
    if may(call.data, "superior_id", int) is not None:
        changes["superior_id"] = _superior(call, space["type"])
    changed = space | changes
    _refuse_twins(call, changed, space["id"])
    call.state.db.change("spaces", space["id"], changes)
    return HttpReply(200024, single(_shown(call, changed)))


def delete_space(call: HttpCall) -> HttpReply:
    """Gone, with the spaces in it; devices stay, nowhere. Not a default one."""
    space = _space(call, call.number)
    if space["is_default"]:
        raise SaidError(_IS_DEFAULT)
    call.state.db.remove("spaces", space["id"])
    leave_lost_spaces(call)
    return HttpReply(200025)


def list_homes(call: HttpCall) -> HttpReply:
    """§2.11."""
    query = "SELECT * FROM homes WHERE user_id = ? ORDER BY id"
    return HttpReply(200024, call.page_of(query, call.account["id"], shown=dict))


def update_home(call: HttpCall) -> HttpReply:
    """§2.11, whose table has no words for a home that is none."""
    home = call.state.db.get("homes", call.number)
    if home is None or home["user_id"] != call.account["id"]:
        raise SaidError(FORBIDDEN)
    changes = {name: call.data[name] for name in ("title", "icon") if may(call.data, name, str) is not None}
    call.state.db.change("homes", home["id"], changes)
    return HttpReply(200025, {"data": home | changes})


def _space(call: HttpCall, id_: int) -> Row:
    space = call.state.db.get("spaces", id_)
    if space is None:
        raise SaidError(_MISSING)
    home = call.state.db.get("homes", space["home_id"])
    if home is None or home["user_id"] != call.account["id"]:
        raise SaidError(FORBIDDEN)
    return space


def _home(call: HttpCall) -> int:
    home_id = may(call.data, "home_id", int)
    if home_id is None:
        return call.state.home_of(call.account["id"])
    home = call.state.db.get("homes", home_id)
    if home is None:
        raise SaidError(_NO_HOME)
    if home["user_id"] != call.account["id"]:
        raise SaidError(FORBIDDEN)
    return home_id


def _superior(call: HttpCall, kind: str) -> int | None:
    """What is above a space of `kind`; §2.5's example shows that `superior` is not what is read."""
    superior_id = may(call.data, "superior_id", int)
    if superior_id is None:
        if _ABOVE[kind]:
            raise SaidError(BAD_PARAMETERS, f"if space type is {kind},param 'superior_id' is needed")
        return None
    superior = _space(call, superior_id)
    if superior["type"] not in _ABOVE[kind]:
        raise SaidError(BAD_PARAMETERS, f"if space type is {kind},superior can not be {superior['type']}")
    return superior_id


def _refuse_twins(call: HttpCall, space: Row, id_: int) -> None:
    query = "SELECT id FROM spaces WHERE home_id = ? AND superior_id IS ? AND type = ? AND title = ? AND id != ?"
    if call.state.db.one(query, space["home_id"], space["superior_id"], space["type"], space["title"], id_) is not None:
        raise SaidError(_EXISTS)


def _shown(call: HttpCall, space: Row) -> Row:
    """§2.3 says `superior`, §2.5 `superior_id`."""
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
