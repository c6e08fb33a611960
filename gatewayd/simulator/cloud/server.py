"""The cloud's HTTP side: envelopes, tokens, ranges; what tests and the demo do to it and see of it."""

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

from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError
from gatewayd.simulator.cloud.database import CloudDatabase
from gatewayd.simulator.cloud.faults import CloudFaults
from gatewayd.simulator.cloud.routes import desc, found, token_refused
from gatewayd.simulator.cloud.state import CloudState

_QUOTED: Final = frozenset({"2.4", "2.6"})
"""Sections whose examples have their status in quotes."""

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


class SimulatedCloud:
    """The cloud. `requests` is what it was asked: (method, path with query, HTTP status).

    `shows_member_ids`: members are answered with their `user_id`. The API's examples (§2.7) do not show it, and without
    it nobody can tell whose an authorization (§2.2) is.
    """

    def __init__(
        self, *, now: Callable[[], datetime], path: Path | None = None, shows_member_ids: bool = False
    ) -> None:
        self.state = CloudState(CloudDatabase(path), now)
        self.state.shows_member_ids = shows_member_ids
        self.faults = CloudFaults()
        self.requests: list[tuple[str, str, int]] = []
        self.base_url = ""

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["SimulatedCloud"]:
        """Be there, until this is left; `base_url` says where. A port that is kept can be served again."""
        app = web.Application(middlewares=[self._watched], client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)  # a call that hangs is not waited for
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=tls)
            await site.start()
            self.base_url = f"{'http' if tls is None else 'https'}://{host}:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    # What tests and the demo do to it.

    def register(self, username: str, password: str, *, is_admin: bool = False) -> int:
        """A user of the app; his id."""
        return self.state.register(username, password, user_admin=is_admin)

    def add_version(self, version: str, device_type: int = 2, *, checksum: str = "", filename: str = "") -> None:
        """A firmware that can be had (§2.12), wherever its file is."""
        row = {"device_type": device_type, "version": version, "filename": filename, "checksum": checksum}
        self.state.db.add("versions", row | {"create_time": self.state.stamp()})

    def publish_version(self, version: str, content: bytes, device_type: int = 2, *, name: str | None = None) -> str:
        """A firmware whose file is here; its address. `checksum` is its SHA-256."""
        name = name or f"gatewayd-{device_type}-{version}.bin"
        self.add_file(name, content)
        address = f"{self.base_url}/media/version/{name}"
        self.add_version(version, device_type, checksum=hashlib.sha256(content).hexdigest(), filename=address)
        return address

    def add_file(self, name: str, content: bytes) -> None:
        """A file under /media/version/, a signature for one."""
        self.state.db.all("INSERT OR REPLACE INTO files (name, content) VALUES (?, ?)", name, content)

    def revoke_tokens(self) -> None:
        """Every token is refused from now on; logging in gives new ones."""
        self.state.db.all("UPDATE accounts SET token = ''")

    def set_clock(self, offset: timedelta) -> None:
        """The cloud's clock goes wrong by `offset`."""
        self.state.clock_offset = offset

    # What they see of it.

    def mqtt_accounts(self) -> dict[str, str]:
        """Who may log in at the broker (§4.1: the https user)."""
        return {row["username"]: row["password"] for row in self.state.db.all("SELECT * FROM accounts")}

    def records(self, owner: str) -> list[dict[str, Any]]:
        """The records of a user, oldest first."""
        query = "SELECT wire FROM records JOIN accounts ON accounts.id = user_id WHERE username = ? ORDER BY records.id"
        return [json.loads(row["wire"]) for row in self.state.db.all(query, owner)]

    def messages(self) -> list[dict[str, Any]]:
        """Every message, oldest first."""
        return self.state.db.all("SELECT * FROM messages ORDER BY id")

    def sent(self, kind: str) -> list[tuple[str, Any]]:
        """Receiver and words of what went out as SMS or push: "code", "alarm", "share", "sms", "push" …"""
        rows = self.state.db.all("SELECT receiver, said FROM sent WHERE kind = ? ORDER BY id", kind)
        return [(row["receiver"], json.loads(row["said"])) for row in rows]

    # Between HTTP and the sections.

    @property
    def _watched(self) -> Any:
        @web.middleware
        async def watched(request: web.Request, handler: Any) -> web.StreamResponse:
            response = await self.faults.meet(request, handler)
            self.requests.append((request.method, request.path_qs, response.status))
            return response

        return watched

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            route, id_ = found(request.method, request.rel_url.raw_path)
        except SaidError as said:
            return web.Response(status=said.code, text=f"<h1>{said.code}</h1>", content_type="text/html")
        try:
            reply = await self._carried_out(route, id_, request)
        except SaidError as said:
            return _envelope(route.section, HttpReply(said.code), said.err)
        return _file(request, reply) if reply.is_file else _envelope(route.section, reply)

    async def _carried_out(self, route: HttpRoute, id_: str, request: web.Request) -> HttpReply:
        token = request.headers.get("Authorization", "").removeprefix("Token ")
        if route.has_token and self.state.account_of(token) is None:
            raise SaidError(token_refused(route.section))
        body = _decoded(await request.read())
        return route.handler(HttpCall(self.state, request.query, body, id_, token))


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SaidError(BAD_PARAMETERS, "the body is no JSON") from error


def _envelope(section: str, reply: HttpReply, err: str | None = None) -> web.Response:
    status = str(reply.code) if section in _QUOTED and reply.code // 100_000 == 2 else reply.code
    envelope = {"msg": reply.msg, "status": status, "desc": desc(section, reply.code)}
    if err is not None:
        envelope["err"] = err
    return web.Response(body=msgspec.json.encode(envelope), content_type="application/json")


def _file(request: web.Request, reply: HttpReply) -> web.Response:
    """The whole of it, or from the byte on that `Range` asks for."""
    if reply.file is None:
        return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted is None:
        return web.Response(body=reply.file, content_type=reply.content_type, headers={"Accept-Ranges": "bytes"})
    size, first = len(reply.file), int(wanted[1])
    last = min(int(wanted[2] or size - 1), size - 1)
    if first > last:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return web.Response(status=206, body=reply.file[first : last + 1], content_type=reply.content_type, headers=headers)
