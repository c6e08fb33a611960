"""§2.1: the records of devices, and the users' permissions on them (§7)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from gatewayd.model.errors import MalformedError
from gatewayd.model.permission import Permission
from gatewayd.model.record_wire import from_wire, to_wire
from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    NO_DEVICE,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    required,
)
from gatewayd.simulator.cloud.database import Row

_EXISTS: Final = 400064
_NO_SPACE: Final = 400074
_FILTERS: Final = ("ver", "type_sub", "category", "uuid", "icon", "title")
_COLUMNS: Final = ("uuid", "category", "type_sub", "title", "ver", "icon")
_READ_ONLY: Final = ("id", "user_id", "uuid", "category", "create_time", "perm", "authorization_id")
_SPACE_FIELDS: Final = ("unit_id", "floor_id", "room_id")

VISIBLE: Final = (
    "SELECT id FROM records WHERE user_id = ? "
    "UNION SELECT info_id FROM authorizations WHERE authorized_id = ? AND perm >= 2"
)
"""The ids of the devices that a user may query; its parameters are the user's id, twice."""


def permitted_record(call: HttpCall, record_id: int, permission: Permission) -> Row:
    """The device's row, where the user has the permission. Raises StatusError: NO_DEVICE, FORBIDDEN."""
    record = call.state.db.get("records", record_id)
    if record is None:
        raise StatusError(NO_DEVICE)
    if call.state.level(call.account["id"], record) < permission:
        raise StatusError(FORBIDDEN)
    return record


def list_records(call: HttpCall) -> HttpReply:
    """The user's own records, and those that he is authorized to query."""
    query = f"SELECT * FROM records WHERE id IN ({VISIBLE})"  # noqa: S608  (constants alone)
    filters = [name for name in _FILTERS if name in call.query]
    query += "".join(f" AND {name} = ?" for name in filters) + " ORDER BY id"
    values = [call.account["id"], call.account["id"], *(call.query[name] for name in filters)]
    return HttpReply(200016, call.page(query, *values, to_wire=lambda row: wire_for(call, row)))


def get_record(call: HttpCall) -> HttpReply:
    """One record."""
    return HttpReply(200012, {"data": wire_for(call, permitted_record(call, call.path_number, Permission.QUERY))})


def create_record(call: HttpCall) -> HttpReply:
    """Create a record of the user's; the cloud has each uuid once."""
    for name in ("category", "uuid", "title"):
        if not required(call.data, name, str):
            raise StatusError(BAD_PARAMETERS, f"param '{name}' is needed")
    if call.state.db.one("SELECT id FROM records WHERE uuid = ?", call.data["uuid"]) is not None:
        raise StatusError(_EXISTS)
    stamp = call.state.stamp()
    wire = _complete_record(call, {"icon": "", "authorization_id": None, **call.data, "create_time": stamp})
    columns = {name: wire.get(name) for name in _COLUMNS} | {"type_sub": wire.get("type_sub", wire.get("type"))}
    id_ = call.state.db.add("records", columns | {"user_id": call.account["id"], "wire": "{}"})
    wire |= {"id": id_, "user_id": call.account["id"], "update_time": stamp}
    if "info_id" in wire["param"]:
        wire["param"] |= {"id": id_, "info_id": id_}
    call.state.db.change("records", id_, {"wire": json.dumps(wire)})
    return HttpReply(200013, {"data": wire})


def update_record(call: HttpCall) -> HttpReply:
    """Change the fields that are sent, other than the read-only ones."""
    record = permitted_record(call, call.path_number, Permission.UPDATE)
    before = json.loads(record["wire"])
    fields = {name: value for name, value in call.data.items() if name not in _READ_ONLY}
    if not isinstance(fields.get("param", {}), dict):
        raise StatusError(BAD_PARAMETERS, "param 'param' is no object")
    param = before["param"] | fields.get("param", {})
    param |= {name: before["param"][name] for name in ("id", "info_id") if name in before["param"]}
    if "type_sub" in fields:
        before.pop("type", None)
    wire = _complete_record(call, before | fields | {"param": param, "update_time": call.state.stamp()})
    columns = {name: wire.get(name) for name in _COLUMNS} | {"type_sub": wire.get("type_sub", wire.get("type"))}
    call.state.db.change("records", record["id"], columns | {"wire": json.dumps(wire)})
    return HttpReply(200015, {"data": wire_for(call, record | {"wire": json.dumps(wire)})})


def delete_record(call: HttpCall) -> HttpReply:
    """Delete a record, with its keys, messages and authorizations."""
    call.state.db.remove("records", permitted_record(call, call.path_number, Permission.DELETE)["id"])
    return HttpReply(200014)


def wire_for(call: HttpCall, record: Row) -> Row:
    """The record as the user gets it: unless he is its owner, with his permission and authorization."""
    wire: Row = json.loads(record["wire"])
    if record["user_id"] != call.account["id"]:
        authorization = call.state.authorization(call.account["id"], record["id"])
        assert authorization is not None
        wire |= {"perm": authorization["perm"], "authorization_id": authorization["id"]}
    return wire


def clear_missing_spaces(call: HttpCall) -> None:
    """Take devices out of spaces that no longer exist."""
    for record in call.state.db.all("SELECT id, wire FROM records"):
        wire: Row = json.loads(record["wire"])
        missing = [name for name in _SPACE_FIELDS if _is_missing_space(call, wire["param"].get(name))]
        if missing:
            wire["param"] |= dict.fromkeys(missing)
            call.state.db.change("records", record["id"], {"wire": json.dumps(wire)})


def _is_missing_space(call: HttpCall, space_id: int | None) -> bool:
    return space_id is not None and call.state.db.get("spaces", space_id) is None


def _complete_record(call: HttpCall, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with every key of its category in §12. Raises StatusError: BAD_PARAMETERS or _NO_SPACE."""
    try:
        wire = to_wire(from_wire({**data, "perm": None}))
    except MalformedError as error:
        raise StatusError(BAD_PARAMETERS, str(error)) from error
    if any(_is_missing_space(call, wire["param"].get(name)) for name in _SPACE_FIELDS):
        raise StatusError(_NO_SPACE)
    return wire


ROUTES: Final = (
    HttpRoute("2.1", "GET", "/api/iot/iot_manage_view/", list_records),
    HttpRoute("2.1", "GET", "/api/iot/iot_manage_view/{id}/", get_record),
    HttpRoute("2.1", "POST", "/api/iot/iot_manage_view/", create_record),
    HttpRoute("2.1", "PUT", "/api/iot/iot_manage_view/{id}/", update_record),
    HttpRoute("2.1", "DELETE", "/api/iot/iot_manage_view/{id}/", delete_record),
)
