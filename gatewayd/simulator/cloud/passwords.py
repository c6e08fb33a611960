"""§2.10: temporary passwords; one is sent to a phone by SMS, and is in no answer."""

from datetime import datetime
from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, StatusError, required
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import VISIBLE, permitted_record

_NO_ACCOUNT: Final = 400101


def list_passwords(call: HttpCall) -> HttpReply:
    """The temporary passwords of the devices that the user may query."""
    query = f"SELECT * FROM passwords WHERE info_id IN ({VISIBLE}) ORDER BY id"  # noqa: S608  (constants alone)
    return HttpReply(200036, call.page(query, call.account["id"], call.account["id"], to_wire=_wire))


def create_password(call: HttpCall) -> HttpReply:
    """Create a temporary password."""
    fields = call.data
    record = permitted_record(call, required(fields, "info_id", int), Permission.AUTHORIZE)
    authorizer = required(fields, "authorizer_id", int)
    if call.state.db.get("accounts", authorizer) is None:
        raise StatusError(_NO_ACCOUNT)
    start, end = _time(fields, "start_time"), _time(fields, "end_time")
    if start >= end:
        raise StatusError(BAD_PARAMETERS, "param 'end_time' is not after 'start_time'")
    row: Row = {
        "info_id": record["id"],
        "authorizer": authorizer,
        "phone": required(fields, "phone", str),
        "title": None,
        "start_time": fields["start_time"],
        "end_time": fields["end_time"],
        "duration": required(fields, "duration", int),
        "created_time": call.state.stamp(),
        "temporary_password": required(fields, "temporary_password", str),
    }
    id_ = call.state.db.add("passwords", row)
    call.state.record_sent("temporary_password", row["phone"], row["temporary_password"])
    return HttpReply(200035, {"data": _wire({"id": id_, **row})})


def _time(fields: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.fromisoformat(required(fields, name, str))
    except ValueError as error:
        raise StatusError(BAD_PARAMETERS, f"param '{name}' is no time") from error


def _wire(password: Row) -> Row:
    shown = {name: value for name, value in password.items() if name != "temporary_password"}
    return shown | {"description": f"{password['duration'] / 60:.1f}小时"}


ROUTES: Final = (
    HttpRoute("2.10", "GET", "/api/iot/temporary_passwords/", list_passwords),
    HttpRoute("2.10", "POST", "/api/iot/temporary_passwords/", create_password),
)
