"""All routes, section by section, and how a path finds its own; §2.5, which makes calls of its own through them."""

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
from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError

_ALL_DONE: Final = 200200
_PARTLY: Final = 200201
_NONE_DONE: Final = 400400
_BAD_METHOD: Final = 400089
_BAD_PROTOCOL: Final = 400090
_BAD_ADDRESS: Final = 400091

_TOKEN_REFUSED: Final[Mapping[str, int]] = MappingProxyType(
    {"1.4": 401014, "1.8": 401028, "1.9": 401030, "1.10": 400034, "3.2": 400301, "11.1": 400047, "11.2": 400047}
)
"""令牌无效 in the sections that have words of their own for it; 400000 in the others."""


def desc(section: str, code: int) -> str:
    """The API's words; a section says nothing that the API does not let it say."""
    found = rest_status(section, code)
    assert found is not None, (section, code)
    return found.desc


def send_batch(call: HttpCall) -> HttpReply:
    """§2.5: each part alone, in order, with its own outcome."""
    parts = call.whole.get("data")
    if not isinstance(parts, list) or not parts:
        raise SaidError(_NONE_DONE)
    done = [_part(call, part) for part in parts]
    good = sum(one["status_sub"] // 100_000 == 2 for one in done)
    return HttpReply(_ALL_DONE if good == len(done) else _PARTLY if good else _NONE_DONE, done)


def _part(call: HttpCall, part: Any) -> dict[str, Any]:
    seq = part.get("seq") if isinstance(part, dict) else None
    try:
        route, inner = _routed(call, part)
    except SaidError as said:
        return _refused(seq, "2.5", said)
    try:
        reply = route.handler(inner)
    except SaidError as said:
        return _refused(seq, route.section, said)
    data = reply.msg.get("data")
    return {"seq": seq, "status_sub": reply.code, "desc_sub": desc(route.section, reply.code), "data": data}


def _routed(call: HttpCall, part: Any) -> tuple[HttpRoute, HttpCall]:
    """The route of a part and the call that it is; only §2's lists can be called so."""
    if not isinstance(part, dict) or not isinstance(part.get("method"), str) or not isinstance(part.get("url"), str):
        raise SaidError(BAD_PARAMETERS, "a part has a method and a url")
    url = urlsplit(part["url"])
    if url.scheme not in {"http", "https"}:
        raise SaidError(_BAD_PROTOCOL)
    try:
        route, id_ = found(part["method"], url.path)
    except SaidError as said:
        raise SaidError({404: _BAD_ADDRESS, 405: _BAD_METHOD}[said.code]) from said
    if not route.path.startswith("/api/iot/") or route.section == "2.5":
        raise SaidError(_BAD_ADDRESS)
    return route, replace(call, body=part.get("body"), id=id_, query=dict(parse_qsl(url.query)), in_batch=True)


def _refused(seq: Any, section: str, said: SaidError) -> dict[str, Any]:
    answer = {"seq": seq, "status_sub": said.code, "desc_sub": desc(section, said.code), "data": None}
    return answer | ({"err": said.err} if said.err else {})


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


def token_refused(section: str) -> int:
    """How a section says that the token is not valid."""
    return _TOKEN_REFUSED.get(section, 400000)


def found(method: str, path: str) -> tuple[HttpRoute, str]:
    """The route of a path, and what stands in it for `{id}` or `{text}`; a slash at the end makes no difference.

    Says 404 or 405, which are HTTP's words and none of the API's.
    """
    is_known = False
    for pattern, route in _patterns():
        if (match := pattern.fullmatch(path)) is not None:
            is_known = True
            if route.method == method:
                return route, unquote(match[1]) if pattern.groups else ""
    raise SaidError(405 if is_known else 404)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], HttpRoute], ...]:
    return tuple((_pattern(route.path), route) for route in ROUTES)


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path.rstrip("/")).replace(r"\{id\}", r"(\d+)").replace(r"\{text\}", "([^/]+)")
    return re.compile(f"{text}/?")
