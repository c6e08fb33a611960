"""§2.7: members of a home."""

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

_MISSING: Final = 400093
_EXISTS: Final = 400094

_FLAGS: Final = ("is_remind", *(f"is_remind_week{day}" for day in range(7)))
_TIMES: Final = ("remind_time_start", "remind_time_end")


def list_members(call: HttpCall) -> HttpReply:
    """The members of the user's homes, and of the homes that he is a member of."""
    query = (
        "SELECT * FROM members WHERE home_id IN (SELECT id FROM homes WHERE user_id = ?"
        " UNION SELECT home_id FROM members WHERE user_id = ?) ORDER BY id"
    )
    user_id = call.account["id"]
    return HttpReply(200046, call.page(query, user_id, user_id, to_wire=lambda row: _wire(call, row)))


def get_member(call: HttpCall) -> HttpReply:
    """One member."""
    return HttpReply(200042, single_page(_wire(call, _own_member(call))))


def create_member(call: HttpCall) -> HttpReply:
    """Create a member; a home has each title once, and each user."""
    home_id = required(call.data, "home_id", int)
    home = call.state.db.get("homes", home_id)
    if home is None:
        raise StatusError(BAD_PARAMETERS, "param 'home_id' is no home")
    if home["user_id"] != call.account["id"]:
        raise StatusError(FORBIDDEN)
    if not required(call.data, "title", str):
        raise StatusError(BAD_PARAMETERS, "param 'title' is needed")
    row = {"home_id": home_id, **_sent_fields(call)}
    _refuse_duplicate(call, row, 0)
    id_ = call.state.db.add("members", row)
    return HttpReply(200043, single_page(_wire(call, _get(call, id_))))


def update_member(call: HttpCall) -> HttpReply:
    """Change the fields that are sent; `user_id` links the member to an account."""
    member = _own_member(call)
    changes = _sent_fields(call)
    _refuse_duplicate(call, member | changes, member["id"])
    call.state.db.change("members", member["id"], changes)
    return HttpReply(200044, single_page(_wire(call, _get(call, member["id"]))))


def delete_member(call: HttpCall) -> HttpReply:
    """Delete a member; the keys stay, without a member."""
    call.state.db.remove("members", _own_member(call)["id"])
    return HttpReply(200045)


def _sent_fields(call: HttpCall) -> dict[str, Any]:
    data = call.data
    fields: dict[str, Any] = {name: data[name] for name in _FLAGS if optional(data, name, bool) is not None}
    fields |= {name: data[name] for name in ("title", "icon", *_TIMES) if optional(data, name, str) is not None}
    if (user_id := optional(data, "user_id", int)) is not None:
        if call.state.db.get("accounts", user_id) is None:
            raise StatusError(BAD_PARAMETERS, "param 'user_id' is no user")
        fields["user_id"] = user_id
    return fields


def _own_member(call: HttpCall) -> Row:
    member = _get(call, call.path_number)
    home = call.state.db.get("homes", member["home_id"])
    if home is None or home["user_id"] != call.account["id"]:
        raise StatusError(FORBIDDEN)
    return member


def _get(call: HttpCall, id_: int) -> Row:
    member = call.state.db.get("members", id_)
    if member is None:
        raise StatusError(_MISSING)
    return member


def _refuse_duplicate(call: HttpCall, member: Row, id_: int) -> None:
    query = "SELECT id FROM members WHERE home_id = ? AND (title = ? OR user_id = ?) AND id != ?"
    if call.state.db.one(query, member["home_id"], member["title"], member.get("user_id"), id_) is not None:
        raise StatusError(_EXISTS)


def _wire(call: HttpCall, member: Row) -> Row:
    account = None if member["user_id"] is None else call.state.db.get("accounts", member["user_id"])
    wire = {name: member[name] for name in ("id", "home_id", "title", "icon")}
    reminders = {name: bool(member[name]) for name in _FLAGS} | {name: member[name] for name in _TIMES}
    keys = call.state.db.all("SELECT * FROM keys WHERE member_id = ? ORDER BY id", member["id"])
    owner = {"title": member["title"], "icon": member["icon"]} | reminders
    names = ("id", "info_id", "key_type", "key_name", "key_number")
    key_rows = [{name: key[name] for name in names} | owner for key in keys]
    user = {"username": account["username"] if account else None}
    if call.state.shows_member_ids:
        user["user_id"] = member["user_id"]
    return wire | user | reminders | {"keys": key_rows}


ROUTES: Final = (
    HttpRoute("2.7", "GET", "/api/iot/members/", list_members),
    HttpRoute("2.7", "GET", "/api/iot/members/{id}/", get_member),
    HttpRoute("2.7", "POST", "/api/iot/members/", create_member),
    HttpRoute("2.7", "PUT", "/api/iot/members/{id}/", update_member),
    HttpRoute("2.7", "DELETE", "/api/iot/members/{id}/", delete_member),
)
