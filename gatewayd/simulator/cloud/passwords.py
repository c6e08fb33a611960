"""§2.10: temporary passwords, sent to a phone by SMS and shown to nobody."""

from datetime import datetime
from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError, need
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import VISIBLE, allowed

_NOBODY: Final = 400101


def list_passwords(call: HttpCall) -> HttpReply:
    """Those of the devices that the user sees."""
    query = f"SELECT * FROM passwords WHERE info_id IN ({VISIBLE}) ORDER BY id"  # noqa: S608  (constants alone)
    return HttpReply(200036, call.page_of(query, call.account["id"], call.account["id"], shown=_shown))


def create_password(call: HttpCall) -> HttpReply:
    """A new one."""
    said = call.data
    record = allowed(call, need(said, "info_id", int), Permission.AUTHORIZE)
    authorizer = need(said, "authorizer_id", int)
    if call.state.db.get("accounts", authorizer) is None:
        raise SaidError(_NOBODY)
    start, end = _moment(said, "start_time"), _moment(said, "end_time")
    if start >= end:
        raise SaidError(BAD_PARAMETERS, "param 'end_time' is not after 'start_time'")
    row: Row = {
        "info_id": record["id"],
        "authorizer": authorizer,
        "phone": need(said, "phone", str),
        "title": None,
        "start_time": said["start_time"],
        "end_time": said["end_time"],
        "duration": need(said, "duration", int),
        "created_time": call.state.stamp(),
        "temporary_password": need(said, "temporary_password", str),
    }
    id_ = call.state.db.add("passwords", row)
    call.state.send("temporary_password", row["phone"], row["temporary_password"])
    return HttpReply(200035, {"data": _shown({"id": id_, **row})})


def _moment(said: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.fromisoformat(need(said, name, str))
    except ValueError as error:
        raise SaidError(BAD_PARAMETERS, f"param '{name}' is no time") from error


def _shown(password: Row) -> Row:
    shown = {name: value for name, value in password.items() if name != "temporary_password"}
    return shown | {"description": f"{password['duration'] / 60:.1f}小时"}


ROUTES: Final = (
    HttpRoute("2.10", "GET", "/api/iot/temporary_passwords/", list_passwords),
    HttpRoute("2.10", "POST", "/api/iot/temporary_passwords/", create_password),
)
