"""§2.1: the records of devices, and who may do what with them (§7)."""

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
    SaidError,
    need,
)
from gatewayd.simulator.cloud.database import Row

_EXISTS: Final = 400064
_NO_SPACE: Final = 400074
_FILTERS: Final = ("ver", "type_sub", "category", "uuid", "icon", "title")
_COLUMNS: Final = ("uuid", "category", "type_sub", "title", "ver", "icon")
_CLOUDS_OWN: Final = ("id", "user_id", "uuid", "category", "create_time", "perm", "authorization_id")
_PLACES: Final = ("unit_id", "floor_id", "room_id")

VISIBLE: Final = (
    "SELECT id FROM records WHERE user_id = ? "
    "UNION SELECT info_id FROM authorizations WHERE authorized_id = ? AND perm >= 2"
)
"""The devices that a user sees; takes his id twice."""


def allowed(call: HttpCall, record_id: int, needed: Permission) -> Row:
    """The device, if the user may do that with it. Says 400065 or 400042."""
    record = call.state.db.get("records", record_id)
    if record is None:
        raise SaidError(NO_DEVICE)
    if call.state.level(call.account["id"], record) < needed:
        raise SaidError(FORBIDDEN)
    return record


def list_records(call: HttpCall) -> HttpReply:
    """His own, and those that he is authorized on."""
    query = f"SELECT * FROM records WHERE id IN ({VISIBLE})"  # noqa: S608  (constants alone)
    wanted = [name for name in _FILTERS if name in call.query]
    query += "".join(f" AND {name} = ?" for name in wanted) + " ORDER BY id"
    values = [call.account["id"], call.account["id"], *(call.query[name] for name in wanted)]
    return HttpReply(200016, call.page_of(query, *values, shown=lambda row: shown_to(call, row)))


def get_record(call: HttpCall) -> HttpReply:
    """One."""
    return HttpReply(200012, {"data": shown_to(call, allowed(call, call.number, Permission.QUERY))})


def create_record(call: HttpCall) -> HttpReply:
    """A new one, the user's own; a uuid is in the cloud once."""
    for name in ("category", "uuid", "title"):
        if not need(call.data, name, str):
            raise SaidError(BAD_PARAMETERS, f"param '{name}' is needed")
    if call.state.db.one("SELECT id FROM records WHERE uuid = ?", call.data["uuid"]) is not None:
        raise SaidError(_EXISTS)
    stamp = call.state.stamp()
    wire = _complete(call, {"icon": "", "authorization_id": None, **call.data, "create_time": stamp})
    columns = {name: wire.get(name) for name in _COLUMNS} | {"type_sub": wire.get("type_sub", wire.get("type"))}
    id_ = call.state.db.add("records", columns | {"user_id": call.account["id"], "wire": "{}"})
    wire |= {"id": id_, "user_id": call.account["id"], "update_time": stamp}
    if "info_id" in wire["param"]:
        wire["param"] |= {"id": id_, "info_id": id_}
    call.state.db.change("records", id_, {"wire": json.dumps(wire)})
    return HttpReply(200013, {"data": wire})


def update_record(call: HttpCall) -> HttpReply:
    """Take over what is said; what is the cloud's own stays."""
    record = allowed(call, call.number, Permission.UPDATE)
    kept = json.loads(record["wire"])
    said = {name: value for name, value in call.data.items() if name not in _CLOUDS_OWN}
    if not isinstance(said.get("param", {}), dict):
        raise SaidError(BAD_PARAMETERS, "param 'param' is no object")
    param = kept["param"] | said.get("param", {})
    param |= {name: kept["param"][name] for name in ("id", "info_id") if name in kept["param"]}
    if "type_sub" in said:
        kept.pop("type", None)
    wire = _complete(call, kept | said | {"param": param, "update_time": call.state.stamp()})
    columns = {name: wire.get(name) for name in _COLUMNS} | {"type_sub": wire.get("type_sub", wire.get("type"))}
    call.state.db.change("records", record["id"], columns | {"wire": json.dumps(wire)})
    return HttpReply(200015, {"data": shown_to(call, record | {"wire": json.dumps(wire)})})


def delete_record(call: HttpCall) -> HttpReply:
    """Gone, with its keys, messages and authorizations."""
    call.state.db.remove("records", allowed(call, call.number, Permission.DELETE)["id"])
    return HttpReply(200014)


def shown_to(call: HttpCall, record: Row) -> Row:
    """The record; to somebody else than its owner with his level and what gave it to him."""
    wire: Row = json.loads(record["wire"])
    if record["user_id"] != call.account["id"]:
        given = call.state.authorization(call.account["id"], record["id"])
        assert given is not None
        wire |= {"perm": given["perm"], "authorization_id": given["id"]}
    return wire


def leave_lost_spaces(call: HttpCall) -> None:
    """Devices in a space that is there no longer are nowhere."""
    for record in call.state.db.all("SELECT id, wire FROM records"):
        wire: Row = json.loads(record["wire"])
        lost = [name for name in _PLACES if _is_lost(call, wire["param"].get(name))]
        if lost:
            wire["param"] |= dict.fromkeys(lost)
            call.state.db.change("records", record["id"], {"wire": json.dumps(wire)})


def _is_lost(call: HttpCall, space_id: int | None) -> bool:
    return space_id is not None and call.state.db.get("spaces", space_id) is None


def _complete(call: HttpCall, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with every key that §12 shows for its category. Says 400003 or, for a room that is none, 400074."""
    try:
        wire = to_wire(from_wire({**data, "perm": None}))
    except MalformedError as error:
        raise SaidError(BAD_PARAMETERS, str(error)) from error
    if any(_is_lost(call, wire["param"].get(name)) for name in _PLACES):
        raise SaidError(_NO_SPACE)
    return wire


ROUTES: Final = (
    HttpRoute("2.1", "GET", "/api/iot/iot_manage_view/", list_records),
    HttpRoute("2.1", "GET", "/api/iot/iot_manage_view/{id}/", get_record),
    HttpRoute("2.1", "POST", "/api/iot/iot_manage_view/", create_record),
    HttpRoute("2.1", "PUT", "/api/iot/iot_manage_view/{id}/", update_record),
    HttpRoute("2.1", "DELETE", "/api/iot/iot_manage_view/{id}/", delete_record),
)
