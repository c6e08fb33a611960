"""§2.12: software that can be had, and its files, whole or from a byte on. §3.2: releases of apps."""

import json
import re
from typing import Any, Final

from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError, may, need
from gatewayd.simulator.cloud.database import Row

_FORBIDDEN: Final = 400302
_NO_RELEASE: Final = 400303
_NEEDED: Final = ("type", "name", "platform", "package_name", "version")
_OPTIONAL: Final = ("brief", "icon_url", "pm", "qrcode")


def latest(call: HttpCall) -> HttpReply:
    """The highest version of a device type."""
    device_type = call.filter_number("device_type")
    if device_type is None:
        raise SaidError(BAD_PARAMETERS, "param 'device_type' is needed")
    found = call.state.db.all("SELECT * FROM versions WHERE device_type = ?", device_type)
    if not found:
        raise SaidError(BAD_PARAMETERS, "there is no version of that device type")
    return HttpReply(200037, {"data": max(found, key=_order)})


def list_versions(call: HttpCall) -> HttpReply:
    """All, of a device type, of a number."""
    query = "SELECT * FROM versions WHERE 1"
    values: list[str] = []
    for name in ("device_type", "version"):
        if name in call.query:
            query, values = f"{query} AND {name} = ?", [*values, call.query[name]]
    return HttpReply(200047, call.page_of(f"{query} ORDER BY id", *values, shown=dict))


def file(call: HttpCall) -> HttpReply:
    """A version's file; the server cuts out the range that was asked for."""
    kept = call.state.db.one("SELECT content FROM files WHERE name = ?", call.id)
    return HttpReply(200, is_file=True, file=None if kept is None else kept["content"])


def create_release(call: HttpCall) -> HttpReply:
    """§3.2, for administrators."""
    wire = _said(call)
    id_ = call.state.db.add("releases", {"wire": json.dumps(wire)})
    return HttpReply(200301, {"id": id_, **wire})


def update_release(call: HttpCall) -> HttpReply:
    """§3.2."""
    kept = _release(call)
    wire = kept | _said(call) | {name: kept[name] for name in ("down_count", "create_time")}
    call.state.db.change("releases", call.number, {"wire": json.dumps(wire)})
    return HttpReply(200303, {"id": call.number, **wire})


def delete_release(call: HttpCall) -> HttpReply:
    """§3.2."""
    _release(call)
    call.state.db.remove("releases", call.number)
    return HttpReply(200302)


def _order(version: Row) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version["version"]))


def _release(call: HttpCall) -> Row:
    _only_administrators(call)
    kept = call.state.db.get("releases", call.number)
    if kept is None:
        raise SaidError(_NO_RELEASE)
    wire: Row = json.loads(kept["wire"])
    return wire


def _said(call: HttpCall) -> dict[str, Any]:
    """A release as the answer has it: `type` is called `type_id` there."""
    _only_administrators(call)
    needed = {name: need(call.whole, name, str) for name in _NEEDED}
    optional = {name: may(call.whole, name, str) for name in _OPTIONAL}
    versions = may(call.whole, "app_version", list) or []
    own = {"down_count": 0, "create_time": call.state.stamp(), "app_version": versions}
    return {"type_id": needed.pop("type"), **needed, **optional, **own}


def _only_administrators(call: HttpCall) -> None:
    if not call.account["user_admin"]:
        raise SaidError(_FORBIDDEN)


ROUTES: Final = (
    HttpRoute("2.12", "GET", "/api/iot/versions/latest/", latest),
    HttpRoute("2.12", "GET", "/api/iot/versions/", list_versions),
    HttpRoute("2.12", "GET", "/media/version/{text}", file, has_token=False),
    HttpRoute("3.2", "POST", "/api/app/release_view/", create_release),
    HttpRoute("3.2", "PUT", "/api/app/release_view/{id}/", update_release),
    HttpRoute("3.2", "DELETE", "/api/app/release_view/{id}/", delete_release),
)
