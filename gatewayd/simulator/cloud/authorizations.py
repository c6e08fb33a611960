"""§2.2: authorizations: by a device's owner, and by users whom the owner authorized at level 5 or above."""

from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    optional,
    required,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import permitted_record

_NO_ACCOUNT: Final = 400084
_NOT_BY_OWNER: Final = 400086
_MISSING: Final = 400087
_EXISTS: Final = 400088


def list_authorizations(call: HttpCall) -> HttpReply:
    """Those that the user gave or has, and all on his own devices."""
    query = (
        "SELECT * FROM authorizations WHERE authorizer_id = ? OR authorized_id = ?"
        " OR info_id IN (SELECT id FROM records WHERE user_id = ?) ORDER BY id"
    )
    user_id = call.account["id"]
    return HttpReply(200021, call.page(query, user_id, user_id, user_id, to_wire=_wire))


def get_authorization(call: HttpCall) -> HttpReply:
    """One, for its giver, its user and the device's owner."""
    authorization = _authorization(call)
    if call.account["id"] not in {
        authorization["authorizer_id"],
        authorization["authorized_id"],
        _owner(call, authorization),
    }:
        raise StatusError(FORBIDDEN)
    return HttpReply(200017, {"data": _wire(authorization)})


def create_authorization(call: HttpCall) -> HttpReply:
    """Create one, at most of the giver's own level."""
    info_id, authorized_id = required(call.data, "info_id", int), required(call.data, "authorized_id", int)
    record = permitted_record(call, info_id, Permission.AUTHORIZE)
    if call.state.db.get("accounts", authorized_id) is None:
        raise StatusError(_NO_ACCOUNT)
    if authorized_id in {record["user_id"], call.account["id"]}:
        raise StatusError(BAD_PARAMETERS, "param 'authorized_id' has the device already")
    own = call.state.authorization(call.account["id"], info_id)
    if own is not None and own["authorizer_id"] != record["user_id"]:
        raise StatusError(_NOT_BY_OWNER)
    if call.state.authorization(authorized_id, info_id) is not None:
        raise StatusError(_EXISTS)
    row: dict[str, Any] = {
        "info_id": info_id,
        "authorizer_id": call.account["id"],
        "authorized_id": authorized_id,
        "remarks": optional(call.data, "remarks", str) or "",
        "perm": _perm(call, record),
    }
    return HttpReply(200018, {"data": _wire({"id": call.state.db.add("authorizations", row), **row})})


def update_authorization(call: HttpCall) -> HttpReply:
    """Change the level; by its giver or the device's owner."""
    authorization = _authorization_to_change(call)
    record = permitted_record(call, authorization["info_id"], Permission.AUTHORIZE)
    changes: dict[str, Any] = {"perm": _perm(call, record)}
    if optional(call.data, "remarks", str) is not None:
        changes["remarks"] = call.data["remarks"]
    call.state.db.change("authorizations", authorization["id"], changes)
    return HttpReply(200019, {"data": _wire(authorization | changes)})


def delete_authorization(call: HttpCall) -> HttpReply:
    """Delete one, with those that its user has given."""
    authorization = _authorization_to_change(call)
    given_by_user = "DELETE FROM authorizations WHERE info_id = ? AND authorizer_id = ?"
    call.state.db.all(given_by_user, authorization["info_id"], authorization["authorized_id"])
    call.state.db.remove("authorizations", authorization["id"])
    return HttpReply(200020)


def _authorization(call: HttpCall) -> Row:
    authorization = call.state.db.get("authorizations", call.path_number)
    if authorization is None:
        raise StatusError(_MISSING)
    return authorization


def _authorization_to_change(call: HttpCall) -> Row:
    authorization = _authorization(call)
    if call.account["id"] not in {authorization["authorizer_id"], _owner(call, authorization)}:
        raise StatusError(FORBIDDEN)
    return authorization


def _owner(call: HttpCall, authorization: Row) -> int:
    record = call.state.db.get("records", authorization["info_id"])
    assert record is not None
    return int(record["user_id"])


def _perm(call: HttpCall, record: Row) -> int:
    perm = required(call.data, "perm", int)
    if perm not in range(Permission.NONE, Permission.DELETE + 1):
        raise StatusError(BAD_PARAMETERS, "param 'perm' is 1 to 7")
    if perm > call.state.level(call.account["id"], record):
        raise StatusError(FORBIDDEN)
    return perm


def _wire(authorization: Row) -> Row:
    return authorization | {"perm": str(authorization["perm"])}  # as §2.2 shows it


ROUTES: Final = (
    HttpRoute("2.2", "GET", "/api/iot/authorization/", list_authorizations),
    HttpRoute("2.2", "GET", "/api/iot/authorization/{id}/", get_authorization),
    HttpRoute("2.2", "POST", "/api/iot/authorization/", create_authorization),
    HttpRoute("2.2", "PUT", "/api/iot/authorization/{id}/", update_authorization),
    HttpRoute("2.2", "DELETE", "/api/iot/authorization/{id}/", delete_authorization),
)
