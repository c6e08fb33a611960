"""§2.12: firmware versions and their files. §3.2: releases of apps."""

import json
import re
from typing import Any, Final

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

_FORBIDDEN: Final = 400302
_NO_RELEASE: Final = 400303
_REQUIRED: Final = ("type", "name", "platform", "package_name", "version")
_OPTIONAL: Final = ("brief", "icon_url", "pm", "qrcode")


def latest(call: HttpCall) -> HttpReply:
    """The highest version of a device type."""
    device_type = call.query_number("device_type")
    if device_type is None:
        raise StatusError(BAD_PARAMETERS, "param 'device_type' is needed")
    found = call.state.db.all("SELECT * FROM versions WHERE device_type = ?", device_type)
    if not found:
        raise StatusError(BAD_PARAMETERS, "there is no version of that device type")
    return HttpReply(200037, {"data": max(found, key=_version_key)})


def list_versions(call: HttpCall) -> HttpReply:
    """The versions, filtered by device type and version."""
    query = "SELECT * FROM versions WHERE 1"
    values: list[str] = []
    for name in ("device_type", "version"):
        if name in call.query:
            query, values = f"{query} AND {name} = ?", [*values, call.query[name]]
    return HttpReply(200047, call.page(f"{query} ORDER BY id", *values, to_wire=dict))


def file(call: HttpCall) -> HttpReply:
    """A version's file; the server sends the range that is requested."""
    row = call.state.db.one("SELECT content FROM files WHERE name = ?", call.id)
    return HttpReply(200, is_file=True, file=None if row is None else row["content"])


def create_release(call: HttpCall) -> HttpReply:
    """§3.2; for administrators."""
    wire = _release_fields(call)
    id_ = call.state.db.add("releases", {"wire": json.dumps(wire)})
    return HttpReply(200301, {"id": id_, **wire})


def update_release(call: HttpCall) -> HttpReply:
    """§3.2; `down_count` and `create_time` stay."""
    before = _release(call)
    wire = before | _release_fields(call) | {name: before[name] for name in ("down_count", "create_time")}
    call.state.db.change("releases", call.path_number, {"wire": json.dumps(wire)})
    return HttpReply(200303, {"id": call.path_number, **wire})


def delete_release(call: HttpCall) -> HttpReply:
    """§3.2."""
    _release(call)
    call.state.db.remove("releases", call.path_number)
    return HttpReply(200302)


def _version_key(version: Row) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version["version"]))


def _release(call: HttpCall) -> Row:
    _require_administrator(call)
    row = call.state.db.get("releases", call.path_number)
    if row is None:
        raise StatusError(_NO_RELEASE)
    wire: Row = json.loads(row["wire"])
    return wire


def _release_fields(call: HttpCall) -> dict[str, Any]:
    """A release as in the answer, where `type` is `type_id`."""
    _require_administrator(call)
    fields = {name: required(call.fields, name, str) for name in _REQUIRED}
    optional_fields = {name: optional(call.fields, name, str) for name in _OPTIONAL}
    versions = optional(call.fields, "app_version", list) or []
    own = {"down_count": 0, "create_time": call.state.stamp(), "app_version": versions}
    return {"type_id": fields.pop("type"), **fields, **optional_fields, **own}


def _require_administrator(call: HttpCall) -> None:
    if not call.account["user_admin"]:
        raise StatusError(_FORBIDDEN)


ROUTES: Final = (
    HttpRoute("2.12", "GET", "/api/iot/versions/latest/", latest),
    HttpRoute("2.12", "GET", "/api/iot/versions/", list_versions),
    HttpRoute("2.12", "GET", "/media/version/{text}", file, has_token=False),
    HttpRoute("3.2", "POST", "/api/app/release_view/", create_release),
    HttpRoute("3.2", "PUT", "/api/app/release_view/{id}/", update_release),
    HttpRoute("3.2", "DELETE", "/api/app/release_view/{id}/", delete_release),
)
