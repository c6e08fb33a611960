"""All routes, section by section, and the search for a path's route; §2.5, which makes calls through them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from gatewayd.model.rest_status import rest_status
from gatewayd.simulator.cloud import (
    accounts,
    authorizations,
    keys,
    members,
    messages,
    passwords,
    records,
    service,
    spaces,
    versions,
)
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, StatusError

NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405

_ALL_DONE: Final = 200200
_PARTLY_DONE: Final = 200201
_NONE_DONE: Final = 400400
_BAD_METHOD: Final = 400089
_BAD_PROTOCOL: Final = 400090
_BAD_ADDRESS: Final = 400091
_BATCH_STATUS: Final = {NOT_FOUND: _BAD_ADDRESS, METHOD_NOT_ALLOWED: _BAD_METHOD}

_TOKEN_REFUSED: Final = 400000
_TOKEN_REFUSED_IN: Final[Mapping[str, int]] = MappingProxyType(
    {"1.4": 401014, "1.8": 401028, "1.9": 401030, "1.10": 400034, "3.2": 400301, "11.1": 400047, "11.2": 400047}
)
"""Sections with a code of their own for 令牌无效."""


def status_desc(section: str, code: int) -> str:
    """The `desc` of a code. An AssertionError where the section does not have the code."""
    found = rest_status(section, code)
    assert found is not None, (section, code)
    return found.desc


def send_batch(call: HttpCall) -> HttpReply:
    """§2.5: each part is called by itself, in order, and has its own status."""
    parts = call.fields.get("data")
    if not isinstance(parts, list) or not parts:
        raise StatusError(_NONE_DONE)
    results = [_call_part(call, part) for part in parts]
    done = sum(result["status_sub"] // 100_000 == 2 for result in results)
    return HttpReply(_ALL_DONE if done == len(results) else _PARTLY_DONE if done else _NONE_DONE, results)


def _call_part(call: HttpCall, part: Any) -> dict[str, Any]:
    seq = part.get("seq") if isinstance(part, dict) else None
    try:
        route, part_call = _route_part(call, part)
    except StatusError as error:
        return _part_error(seq, "2.5", error)
    try:
        reply = route.handler(part_call)
    except StatusError as error:
        return _part_error(seq, route.section, error)
    data = reply.msg.get("data")
    return {"seq": seq, "status_sub": reply.code, "desc_sub": status_desc(route.section, reply.code), "data": data}


def _route_part(call: HttpCall, part: Any) -> tuple[HttpRoute, HttpCall]:
    """The route and the call of a part; only paths under /api/iot/ other than the batch itself can be called."""
    if not isinstance(part, dict) or not isinstance(part.get("method"), str) or not isinstance(part.get("url"), str):
        raise StatusError(BAD_PARAMETERS, "a part has a method and a url")
    url = urlsplit(part["url"])
    if url.scheme not in {"http", "https"}:
        raise StatusError(_BAD_PROTOCOL)
    try:
        route, id_ = find_route(part["method"], url.path)
    except StatusError as error:
        raise StatusError(_BATCH_STATUS[error.code]) from error
    if not route.path.startswith("/api/iot/") or route.section == "2.5":
        raise StatusError(_BAD_ADDRESS)
    return route, replace(call, body=part.get("body"), id=id_, query=dict(parse_qsl(url.query)), in_batch=True)


def _part_error(seq: Any, section: str, error: StatusError) -> dict[str, Any]:
    result = {"seq": seq, "status_sub": error.code, "desc_sub": status_desc(section, error.code), "data": None}
    return result | ({"err": error.err} if error.err else {})


ROUTES: Final[tuple[HttpRoute, ...]] = (
    *accounts.ROUTES,
    *records.ROUTES,
    *authorizations.ROUTES,
    *spaces.ROUTES,
    HttpRoute("2.5", "POST", "/api/iot/patch/", send_batch),
    *messages.ROUTES,
    *members.ROUTES,
    *keys.ROUTES,
    *passwords.ROUTES,
    *versions.ROUTES,
    *service.ROUTES,
)


def token_refused_code(section: str) -> int:
    """The section's code for 令牌无效."""
    return _TOKEN_REFUSED_IN.get(section, _TOKEN_REFUSED)


def find_route(method: str, path: str) -> tuple[HttpRoute, str]:
    """The route of a path, and what stands in it for `{id}` or `{text}`; a slash at the end makes no difference.

    Raises StatusError with an HTTP status: NOT_FOUND or METHOD_NOT_ALLOWED.
    """
    is_known = False
    for pattern, route in _patterns():
        if (match := pattern.fullmatch(path)) is not None:
            is_known = True
            if route.method == method:
                return route, unquote(match[1]) if pattern.groups else ""
    raise StatusError(METHOD_NOT_ALLOWED if is_known else NOT_FOUND)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], HttpRoute], ...]:
    return tuple((_pattern(route.path), route) for route in ROUTES)


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path.rstrip("/")).replace(r"\{id\}", r"(\d+)").replace(r"\{text\}", "([^/]+)")
    return re.compile(f"{text}/?")
