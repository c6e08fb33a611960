"""§2.2: authorizations. The owner gives, and those to whom he gave (level 5 and up) give on; no third hand."""

from typing import Any, Final

from gatewayd.model.permission import Permission
from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    FORBIDDEN,
    HttpCall,
    HttpReply,
    HttpRoute,
    SaidError,
    may,
    need,
)
from gatewayd.simulator.cloud.database import Row
from gatewayd.simulator.cloud.records import allowed

_NOBODY: Final = 400084
_TOO_FAR: Final = 400086
_MISSING: Final = 400087
_EXISTS: Final = 400088


def list_authorizations(call: HttpCall) -> HttpReply:
    """What the user gave or got, and all of his devices'."""
    query = (
        "SELECT * FROM authorizations WHERE authorizer_id = ? OR authorized_id = ?"
        " OR info_id IN (SELECT id FROM records WHERE user_id = ?) ORDER BY id"
    )
    me = call.account["id"]
    return HttpReply(200021, call.page_of(query, me, me, me, shown=_shown))


def get_authorization(call: HttpCall) -> HttpReply:
    """One, to those whom it concerns."""
    given = _given(call)
    if call.account["id"] not in {given["authorizer_id"], given["authorized_id"], _owner(call, given)}:
        raise SaidError(FORBIDDEN)
    return HttpReply(200017, {"data": _shown(given)})


def create_authorization(call: HttpCall) -> HttpReply:
    """A new one: of a level that the giver has himself."""
    info_id, authorized_id = need(call.data, "info_id", int), need(call.data, "authorized_id", int)
    record = allowed(call, info_id, Permission.AUTHORIZE)
    if call.state.db.get("accounts", authorized_id) is None:
        raise SaidError(_NOBODY)
    if authorized_id in {record["user_id"], call.account["id"]}:
        raise SaidError(BAD_PARAMETERS, "param 'authorized_id' has the device already")
    own = call.state.authorization(call.account["id"], info_id)
    if own is not None and own["authorizer_id"] != record["user_id"]:
        raise SaidError(_TOO_FAR)
    if call.state.authorization(authorized_id, info_id) is not None:
        raise SaidError(_EXISTS)
    row: dict[str, Any] = {
        "info_id": info_id,
        "authorizer_id": call.account["id"],
        "authorized_id": authorized_id,
        "remarks": may(call.data, "remarks", str) or "",
        "perm": _perm(call, record),
    }
    return HttpReply(200018, {"data": _shown({"id": call.state.db.add("authorizations", row), **row})})


def update_authorization(call: HttpCall) -> HttpReply:
    """Another level, from him who gave it or the owner."""
    given = _given_by_me(call)
    record = allowed(call, given["info_id"], Permission.AUTHORIZE)
    changes: dict[str, Any] = {"perm": _perm(call, record)}
    if may(call.data, "remarks", str) is not None:
        changes["remarks"] = call.data["remarks"]
    call.state.db.change("authorizations", given["id"], changes)
    return HttpReply(200019, {"data": _shown(given | changes)})


def delete_authorization(call: HttpCall) -> HttpReply:
    """Taken back, with what was given on."""
    given = _given_by_me(call)
    onward = "DELETE FROM authorizations WHERE info_id = ? AND authorizer_id = ?"
    call.state.db.all(onward, given["info_id"], given["authorized_id"])
    call.state.db.remove("authorizations", given["id"])
    return HttpReply(200020)


def _given(call: HttpCall) -> Row:
    given = call.state.db.get("authorizations", call.number)
    if given is None:
        raise SaidError(_MISSING)
    return given


def _given_by_me(call: HttpCall) -> Row:
    given = _given(call)
    if call.account["id"] not in {given["authorizer_id"], _owner(call, given)}:
        raise SaidError(FORBIDDEN)
    return given


def _owner(call: HttpCall, given: Row) -> int:
    record = call.state.db.get("records", given["info_id"])
    assert record is not None
    return int(record["user_id"])


def _perm(call: HttpCall, record: Row) -> int:
    perm = need(call.data, "perm", int)
    if perm not in range(Permission.NONE, Permission.DELETE + 1):
        raise SaidError(BAD_PARAMETERS, "param 'perm' is 1 to 7")
    if perm > call.state.level(call.account["id"], record):
        raise SaidError(FORBIDDEN)
    return perm


def _shown(given: Row) -> Row:
    return given | {"perm": str(given["perm"])}  # as §2.2 shows it


ROUTES: Final = (
    HttpRoute("2.2", "GET", "/api/iot/authorization/", list_authorizations),
    HttpRoute("2.2", "GET", "/api/iot/authorization/{id}/", get_authorization),
    HttpRoute("2.2", "POST", "/api/iot/authorization/", create_authorization),
    HttpRoute("2.2", "PUT", "/api/iot/authorization/{id}/", update_authorization),
    HttpRoute("2.2", "DELETE", "/api/iot/authorization/{id}/", delete_authorization),
)
