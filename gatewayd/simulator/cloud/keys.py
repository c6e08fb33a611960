"""§2.8: keys of locks."""

from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    optional,
    required,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import VISIBLE, permitted_record

_EXISTS: Final = 400099
_MISSING: Final = 400098


def list_keys(call: HttpCall) -> HttpReply:
    """The keys of the devices that the user may query."""
    query = f"SELECT keys.* FROM keys WHERE info_id IN ({VISIBLE})"  # noqa: S608  (constants alone)
    values: list[Any] = [call.account["id"], call.account["id"]]
    for name in ("info_id", "key_type"):
        if (number := call.query_number(name)) is not None:
            query, values = f"{query} AND {name} = ?", [*values, number]
    if "key_number" in call.query:
        query, values = f"{query} AND CAST(key_number AS TEXT) = ?", [*values, call.query["key_number"]]
    return HttpReply(200033, call.page(f"{query} ORDER BY id", *values, to_wire=lambda row: _wire(call, row)))


def get_key(call: HttpCall) -> HttpReply:
    """One key."""
    return HttpReply(200029, {"data": _wire(call, _key(call, Permission.QUERY))})


def create_key(call: HttpCall) -> HttpReply:
    """Create a key; a lock has each number once for each type."""
    permitted_record(call, required(call.data, "info_id", int), Permission.CREATE)
    row = {
        "info_id": required(call.data, "info_id", int),
        "key_type": required(call.data, "key_type", int),
        "key_name": required(call.data, "key_name", str),
        "key_number": _number(call.data),
        "member_id": _member(call),
    }
    _refuse_duplicate(call, row, 0)
    id_ = call.state.db.add("keys", row)
    return HttpReply(200030, {"data": _wire(call, row | {"id": id_})})


def update_key(call: HttpCall) -> HttpReply:
    """Change the fields that are sent."""
    key = _key(call, Permission.UPDATE)
    changes = {name: call.data[name] for name in ("info_id", "key_type") if optional(call.data, name, int) is not None}
    if optional(call.data, "key_name", str) is not None:
        changes["key_name"] = call.data["key_name"]
    if "key_number" in call.data:
        changes["key_number"] = _number(call.data)
    if "member_id" in call.data:
        changes["member_id"] = _member(call)
    if "info_id" in changes:
        permitted_record(call, changes["info_id"], Permission.UPDATE)
    changed = key | changes
    _refuse_duplicate(call, changed, key["id"])
    call.state.db.change("keys", key["id"], changes)
    return HttpReply(200031, {"data": _wire(call, changed)})


def delete_key(call: HttpCall) -> HttpReply:
    """Delete a key."""
    call.state.db.remove("keys", _key(call, Permission.DELETE)["id"])
    return HttpReply(200032)


def _key(call: HttpCall, permission: Permission) -> Row:
    key = call.state.db.get("keys", call.path_number)
    if key is None:
        raise StatusError(_MISSING)
    permitted_record(call, key["info_id"], permission)
    return key


def _number(data: dict[str, Any]) -> int | str:
    """A number, as in the example, or a text, as in §2.7's."""
    number = data.get("key_number")
    if isinstance(number, str) and number:
        return number
    return required(data, "key_number", int)


def _member(call: HttpCall) -> int | None:
    member_id = optional(call.data, "member_id", int)
    if member_id is not None and call.state.db.get("members", member_id) is None:
        raise StatusError(BAD_PARAMETERS, "param 'member_id' is no member")
    return member_id


def _refuse_duplicate(call: HttpCall, key: Row, id_: int) -> None:
    query = "SELECT id FROM keys WHERE info_id = ? AND key_type = ? AND key_number = ? AND id != ?"
    if call.state.db.one(query, key["info_id"], key["key_type"], key["key_number"], id_) is not None:
        raise StatusError(_EXISTS)


def _wire(call: HttpCall, key: Row) -> Row:
    member = None if key["member_id"] is None else call.state.db.get("members", key["member_id"])
    owner = {"title": member["title"], "icon": member["icon"]} if member is not None else {"title": None, "icon": None}
    names = ("id", "info_id", "key_type", "key_name", "key_number", "member_id")
    return {name: key[name] for name in names} | owner


ROUTES: Final = (
    HttpRoute("2.8", "GET", "/api/iot/keys/", list_keys),
    HttpRoute("2.8", "GET", "/api/iot/keys/{id}/", get_key),
    HttpRoute("2.8", "POST", "/api/iot/keys/", create_key),
    HttpRoute("2.8", "PUT", "/api/iot/keys/{id}/", update_key),
    HttpRoute("2.8", "DELETE", "/api/iot/keys/{id}/", delete_key),
)
