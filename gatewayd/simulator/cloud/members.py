"""§2.7: members of a home."""

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

_MISSING: Final = 400093
_EXISTS: Final = 400094

_FLAGS: Final = ("is_remind", *(f"is_remind_week{day}" for day in range(7)))
_TIMES: Final = ("remind_time_start", "remind_time_end")


def list_members(call: HttpCall) -> HttpReply:
    """Those of the user's homes, and of the homes that he is a member of."""
    query = (
        "SELECT * FROM members WHERE home_id IN (SELECT id FROM homes WHERE user_id = ?"
        " UNION SELECT home_id FROM members WHERE user_id = ?) ORDER BY id"
    )
    me = call.account["id"]
    return HttpReply(200046, call.page_of(query, me, me, shown=lambda row: _shown(call, row)))


def get_member(call: HttpCall) -> HttpReply:
    """One."""
    return HttpReply(200042, single(_shown(call, _member(call))))


def create_member(call: HttpCall) -> HttpReply:
    """A new one; a title is in a home once, and so is a user."""
    home_id = need(call.data, "home_id", int)
    home = call.state.db.get("homes", home_id)
    if home is None:
        raise SaidError(BAD_PARAMETERS, "param 'home_id' is no home")
    if home["user_id"] != call.account["id"]:
        raise SaidError(FORBIDDEN)
    if not need(call.data, "title", str):
        raise SaidError(BAD_PARAMETERS, "param 'title' is needed")
    row = {"home_id": home_id, **_said(call)}
    _refuse_twins(call, row, 0)
    id_ = call.state.db.add("members", row)
    return HttpReply(200043, single(_shown(call, _kept(call, id_))))


def update_member(call: HttpCall) -> HttpReply:
    """Change what is said; `user_id` ties him to an account."""
    member = _member(call)
    changes = _said(call)
    _refuse_twins(call, member | changes, member["id"])
    call.state.db.change("members", member["id"], changes)
    return HttpReply(200044, single(_shown(call, _kept(call, member["id"]))))


def delete_member(call: HttpCall) -> HttpReply:
    """Gone; his keys stay, nobody's."""
    call.state.db.remove("members", _member(call)["id"])
    return HttpReply(200045)


def _said(call: HttpCall) -> dict[str, Any]:
    data = call.data
    said: dict[str, Any] = {name: data[name] for name in _FLAGS if may(data, name, bool) is not None}
    said |= {name: data[name] for name in ("title", "icon", *_TIMES) if may(data, name, str) is not None}
    if (user_id := may(data, "user_id", int)) is not None:
        if call.state.db.get("accounts", user_id) is None:
            raise SaidError(BAD_PARAMETERS, "param 'user_id' is nobody")
        said["user_id"] = user_id
    return said


def _member(call: HttpCall) -> Row:
    member = _kept(call, call.number)
    home = call.state.db.get("homes", member["home_id"])
    if home is None or home["user_id"] != call.account["id"]:
        raise SaidError(FORBIDDEN)
    return member


def _kept(call: HttpCall, id_: int) -> Row:
    member = call.state.db.get("members", id_)
    if member is None:
        raise SaidError(_MISSING)
    return member


def _refuse_twins(call: HttpCall, member: Row, id_: int) -> None:
    query = "SELECT id FROM members WHERE home_id = ? AND (title = ? OR user_id = ?) AND id != ?"
    if call.state.db.one(query, member["home_id"], member["title"], member.get("user_id"), id_) is not None:
        raise SaidError(_EXISTS)


def _shown(call: HttpCall, member: Row) -> Row:
    account = None if member["user_id"] is None else call.state.db.get("accounts", member["user_id"])
    wire = {name: member[name] for name in ("id", "home_id", "title", "icon")}
    reminders = {name: bool(member[name]) for name in _FLAGS} | {name: member[name] for name in _TIMES}
    keys = call.state.db.all("SELECT * FROM keys WHERE member_id = ? ORDER BY id", member["id"])
    whose = {"title": member["title"], "icon": member["icon"]} | reminders
    names = ("id", "info_id", "key_type", "key_name", "key_number")
    held = [{name: key[name] for name in names} | whose for key in keys]
    who = {"username": account["username"] if account else None}
    if call.state.shows_member_ids:
        who["user_id"] = member["user_id"]
    return wire | who | reminders | {"keys": held}


ROUTES: Final = (
    HttpRoute("2.7", "GET", "/api/iot/members/", list_members),
    HttpRoute("2.7", "GET", "/api/iot/members/{id}/", get_member),
    HttpRoute("2.7", "POST", "/api/iot/members/", create_member),
    HttpRoute("2.7", "PUT", "/api/iot/members/{id}/", update_member),
    HttpRoute("2.7", "DELETE", "/api/iot/members/{id}/", delete_member),
)
