"""The cloud's HTTP side: envelopes, tokens, ranges; and what tests and the demo set up and read.

What an endpoint does is its section's module's.
"""

import hashlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, StatusError
from gatewayd.simulator.cloud.database import CloudDatabase
from gatewayd.simulator.cloud.faults import CloudFaults
from gatewayd.simulator.cloud.routes import NOT_FOUND, find_route, status_desc, token_refused_code
from gatewayd.simulator.cloud.state import CloudState

_QUOTED: Final = frozenset({"2.4", "2.6"})
"""Sections whose examples have the status of a success in quotes."""

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_MAX_BODY: Final = 8 << 20
_SHUTDOWN_TIMEOUT_S: Final = 0.2  # calls that hang by a fault are not waited for


class SimulatedCloud:
    """The cloud. `requests` are those that it has answered: (method, path with query, HTTP status).

    `shows_member_ids`: members have their `user_id` in answers. The API's examples (§2.7) do not show it, and without
    it an authorization (§2.2) cannot be matched to a member. `path` is the database's file (None: in memory).
    """

    def __init__(
        self, *, now: Callable[[], datetime], path: Path | None = None, shows_member_ids: bool = False
    ) -> None:
        self.state = CloudState(CloudDatabase(path), now, shows_member_ids=shows_member_ids)
        self.faults = CloudFaults()
        self.requests: list[tuple[str, str, int]] = []
        self.base_url = ""

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["SimulatedCloud"]:
        """Serve HTTP, or HTTPS with `tls`, on a port (0: any that is free); `base_url` has the address."""
        app = web.Application(middlewares=[self._middleware], client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=tls)
            await site.start()
            self.base_url = f"{'http' if tls is None else 'https'}://{host}:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    # What tests and the demo set up.

    def register(self, username: str, password: str, *, is_admin: bool = False) -> int:
        """Add a user; returns his id."""
        return self.state.register(username, password, user_admin=is_admin)

    def add_version(self, version: str, device_type: int = 2, *, checksum: str = "", filename: str = "") -> None:
        """Add a firmware version (§2.12) whose file is at the address `filename`."""
        row = {"device_type": device_type, "version": version, "filename": filename, "checksum": checksum}
        self.state.db.add("versions", row | {"create_time": self.state.stamp()})

    def publish_version(self, version: str, content: bytes, device_type: int = 2, *, name: str | None = None) -> str:
        """Add a firmware version with its file, whose `checksum` is a SHA-256; returns the file's address."""
        name = name or f"gatewayd-{device_type}-{version}.bin"
        self.add_file(name, content)
        address = f"{self.base_url}/media/version/{name}"
        self.add_version(version, device_type, checksum=hashlib.sha256(content).hexdigest(), filename=address)
        return address

    def add_file(self, name: str, content: bytes) -> None:
        """Serve a file under /media/version/, for example a signature."""
        self.state.db.all("INSERT OR REPLACE INTO files (name, content) VALUES (?, ?)", name, content)

    def revoke_tokens(self) -> None:
        """Refuse every token from now on; a login gives a new one."""
        self.state.db.all("UPDATE accounts SET token = ''")

    def set_clock(self, offset: timedelta) -> None:
        """Set the cloud's clock wrong by `offset`."""
        self.state.clock_offset = offset

    # What they read.

    def mqtt_accounts(self) -> dict[str, str]:
        """The accounts of the broker (§4.1: those of HTTPS): name → password."""
        return {row["username"]: row["password"] for row in self.state.db.all("SELECT * FROM accounts")}

    def records(self, owner: str) -> list[dict[str, Any]]:
        """The records of a user, oldest first."""
        query = "SELECT wire FROM records JOIN accounts ON accounts.id = user_id WHERE username = ? ORDER BY records.id"
        return [json.loads(row["wire"]) for row in self.state.db.all(query, owner)]

    def messages(self) -> list[dict[str, Any]]:
        """All messages (§2.9), oldest first."""
        return self.state.db.all("SELECT * FROM messages ORDER BY id")

    def sent(self, kind: str) -> list[tuple[str, Any]]:
        """(receiver, content) of what went out by SMS or push: "code", "alarm", "share", "sms", "push" …"""
        rows = self.state.db.all("SELECT receiver, content FROM sent WHERE kind = ? ORDER BY id", kind)
        return [(row["receiver"], json.loads(row["content"])) for row in rows]

    # Between HTTP and the sections.

    @property
    def _middleware(self) -> Any:
        @web.middleware
        async def apply_faults(request: web.Request, handler: Any) -> web.StreamResponse:
            response = await self.faults.apply(request, handler)
            self.requests.append((request.method, request.path_qs, response.status))
            return response

        return apply_faults

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            route, id_ = find_route(request.method, request.rel_url.raw_path)
        except StatusError as error:
            return _error_page(error.code)
        try:
            reply = await self._call(route, id_, request)
        except StatusError as error:
            return _envelope(route.section, HttpReply(error.code), error.err)
        return _file(request, reply) if reply.is_file else _envelope(route.section, reply)

    async def _call(self, route: HttpRoute, id_: str, request: web.Request) -> HttpReply:
        token = request.headers.get("Authorization", "").removeprefix("Token ")
        if route.has_token and self.state.account_by_token(token) is None:
            raise StatusError(token_refused_code(route.section))
        body = _decode(await request.read())
        return route.handler(HttpCall(self.state, request.query, body, id_, token))


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StatusError(BAD_PARAMETERS, "the body is no JSON") from error


def _envelope(section: str, reply: HttpReply, err: str | None = None) -> web.Response:
    status = str(reply.code) if section in _QUOTED and reply.code // 100_000 == 2 else reply.code
    envelope = {"msg": reply.msg, "status": status, "desc": status_desc(section, reply.code)}
    if err is not None:
        envelope["err"] = err
    return web.Response(body=msgspec.json.encode(envelope), content_type="application/json")


def _error_page(status: int) -> web.Response:
    return web.Response(status=status, text=f"<h1>{status}</h1>", content_type="text/html")


def _file(request: web.Request, reply: HttpReply) -> web.Response:
    """The whole file, or the part that the Range header asks for."""
    if reply.file is None:
        return _error_page(NOT_FOUND)
    requested = _RANGE.fullmatch(request.headers.get("Range", ""))
    if requested is None:
        return web.Response(body=reply.file, content_type=reply.content_type, headers={"Accept-Ranges": "bytes"})
    size, first = len(reply.file), int(requested[1])
    last = min(int(requested[2] or size - 1), size - 1)
    if first > last:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return web.Response(status=206, body=reply.file[first : last + 1], content_type=reply.content_type, headers=headers)
