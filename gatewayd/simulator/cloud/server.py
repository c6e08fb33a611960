"""The cloud's HTTP side: routes, tokens, envelopes. §1.3, §2.1, §2.4, §2.9, §2.12, §2.13 so far."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from math import ceil
from typing import Any, Final

import msgspec
from aiohttp import web

from gatewayd.model.rest_status import rest_status
from gatewayd.simulator.cloud.faults import Faults
from gatewayd.simulator.cloud.state import Account, State

_A_PAGE: Final = 10
_FILTERS: Final = ("ver", "type_sub", "category", "uuid", "icon", "title")
_NEEDED: Final = ("category", "uuid", "title")


Handler = Callable[[web.Request], Awaitable[tuple[str, int, Any]]]
"""Answers with the section whose words apply, its status, and `msg`."""


class _SaidError(Exception):
    """A status that is the answer."""

    def __init__(self, section: str, code: int) -> None:
        super().__init__(section, code)
        self.section = section
        self.code = code


class SimulatedCloud:
    """The cloud. `requests` is what it was asked: (method, path with query, status)."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.state = State(now)
        self.faults = Faults()
        self.requests: list[tuple[str, str, int]] = []
        self.base_url = ""

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["SimulatedCloud"]:
        """Be there, until this is left; `base_url` says where. A port that is kept can be served again."""
        app = web.Application(middlewares=[self._watched], client_max_size=8 << 20)
        for method, path, handler in self._routes():
            app.router.add_route(method, path, self._answering(handler))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            self.base_url = f"http://{host}:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    def _routes(self) -> tuple[tuple[str, str, Handler], ...]:
        return (
            ("POST", "/api/accounts/login/", self._log_in),
            ("POST", "/api/accounts/register/gw", self._register),
            ("GET", "/api/iot/iot_manage_view/", self._list_records),
            ("POST", "/api/iot/iot_manage_view/", self._create_record),
            ("GET", "/api/iot/iot_manage_view/{id:\\d+}/", self._read_record),
            ("PUT", "/api/iot/iot_manage_view/{id:\\d+}/", self._update_record),
            ("DELETE", "/api/iot/iot_manage_view/{id:\\d+}/", self._delete_record),
            ("GET", "/api/iot/messages/", self._list_messages),
            ("POST", "/api/iot/messages/", self._create_message),
            ("GET", "/api/iot/versions/latest/", self._latest_version),
            ("GET", "/api/iot/get_timestamp/", self._timestamp),
        )

    # What tests and the demo do to it, and see of it.

    def register(self, username: str, password: str) -> Account:
        """A user of the app."""
        return self.state.register(username, password)

    def release(self, version: str, device_type: int = 2, *, checksum: str = "", filename: str = "") -> None:
        """A firmware that can be had (§2.12)."""
        row = {"id": self.state.next_id(), "device_type": device_type, "version": version, "filename": filename}
        self.state.versions.append(row | {"create_time": self.state.stamp(), "description": "", "checksum": checksum})

    def mqtt_accounts(self) -> dict[str, str]:
        """Who may log in at the broker (§4.1: the https user)."""
        return {account.username: account.password for account in self.state.accounts.values()}

    def records(self, owner: str) -> list[dict[str, Any]]:
        """The records of a user."""
        return self.state.records_of(self.state.accounts[owner])

    def messages(self) -> list[dict[str, Any]]:
        """Every message, oldest first."""
        return self.state.messages

    def revoke_tokens(self) -> None:
        """Every token is refused from now on; logging in gives new ones."""
        for account in self.state.accounts.values():
            account.token = ""

    # Between HTTP and the handlers.

    @property
    def _watched(self) -> Any:
        @web.middleware
        async def watched(request: web.Request, handler: Any) -> web.StreamResponse:
            response = await self.faults.meet(request, handler)
            self.requests.append((request.method, request.path_qs, response.status))
            return response

        return watched

    def _answering(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answering(request: web.Request) -> web.StreamResponse:
            try:
                section, code, msg = await handler(request)
            except _SaidError as said:
                section, code, msg = said.section, said.code, {}
            known = rest_status(section, code)
            assert known is not None, (section, code)
            body = msgspec.json.encode({"msg": msg, "status": code, "desc": known.desc})
            return web.Response(body=body, content_type="application/json")

        return answering

    async def _body(self, request: web.Request, section: str) -> Mapping[str, Any]:
        try:
            body = msgspec.json.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _SaidError(section, 400003) from error
        if not isinstance(body, dict):
            raise _SaidError(section, 400003)
        return body

    async def _data(self, request: web.Request, section: str) -> Mapping[str, Any]:
        data = (await self._body(request, section)).get("data")
        if not isinstance(data, dict):
            raise _SaidError(section, 400003)
        return data

    def _account(self, request: web.Request, section: str) -> Account:
        token = request.headers.get("Authorization", "").removeprefix("Token ")
        if (account := self.state.account_of(token)) is None:
            raise _SaidError(section, 400000)
        return account

    # §1.3 and §2.4.

    async def _log_in(self, request: web.Request) -> tuple[str, int, Any]:
        body = await self._body(request, "1.3")
        account = self.state.accounts.get(str(body.get("username")))
        if account is None:
            return "1.3", 400010, {}
        if account.password != body.get("password"):
            return "1.3", 400012, {}
        who = {"id": account.id, "username": account.username, "is_active": True, "language": "chs"}
        return "1.3", 200003, who | {"token": self.state.log_in(account)}

    async def _register(self, request: web.Request) -> tuple[str, int, Any]:
        data = await self._data(request, "2.1")
        username, password = data.get("username"), data.get("password")
        if not isinstance(username, str) or not isinstance(password, str) or username in self.state.accounts:
            raise _SaidError("2.1", 400003)
        account = self.state.register(username, password)
        return "2.4", 200012, {"data": {"id": account.id, "token": self.state.log_in(account)}}

    # §2.1.

    async def _list_records(self, request: web.Request) -> tuple[str, int, Any]:
        account = self._account(request, "2.1")
        wanted = {name: request.query[name] for name in _FILTERS if name in request.query}
        rows = [
            record
            for record in self.state.records_of(account)
            if all(str(record.get(name)) == value for name, value in wanted.items())
        ]
        return "2.1", 200016, _page(request, rows)

    async def _create_record(self, request: web.Request) -> tuple[str, int, Any]:
        account = self._account(request, "2.1")
        data = await self._data(request, "2.1")
        if any(not isinstance(data.get(name), str) or not data[name] for name in _NEEDED):
            raise _SaidError("2.1", 400003)
        if any(record["uuid"] == data["uuid"] for record in self.state.records.values()):
            raise _SaidError("2.1", 400064)
        return "2.1", 200013, {"data": self.state.add_record(account, data)}

    async def _read_record(self, request: web.Request) -> tuple[str, int, Any]:
        return "2.1", 200012, {"data": self._own_record(request)}

    async def _update_record(self, request: web.Request) -> tuple[str, int, Any]:
        record = self._own_record(request)
        self.state.change_record(record, await self._data(request, "2.1"))
        return "2.1", 200015, {"data": record}

    async def _delete_record(self, request: web.Request) -> tuple[str, int, Any]:
        record = self._own_record(request)
        del self.state.records[record["id"]]
        return "2.1", 200014, {}

    def _own_record(self, request: web.Request) -> dict[str, Any]:
        account = self._account(request, "2.1")
        record = self.state.records.get(int(request.match_info["id"]))
        if record is None:
            raise _SaidError("2.1", 400065)
        if record["user_id"] != account.id:
            raise _SaidError("2.1", 400042)
        return record

    # §2.9.

    async def _list_messages(self, request: web.Request) -> tuple[str, int, Any]:
        account = self._account(request, "2.1")
        query = request.query
        rows = [
            message
            for message in self.state.messages
            if message["user_id"] == account.id
            and query.get("info_id", str(message["info_id"])) == str(message["info_id"])
            and query.get("date_gte", "") <= message["occur_time"] <= query.get("date_lte", "9999")
            and int(query.get("level_gte", 0)) <= message["level"] <= int(query.get("level_lte", 9))
        ]
        return "2.9", 200041, _page(request, rows)

    async def _create_message(self, request: web.Request) -> tuple[str, int, Any]:
        account = self._account(request, "2.1")
        data = await self._data(request, "2.1")
        record = self.state.records.get(data.get("info_id", 0))
        if record is None or record["user_id"] != account.id:
            raise _SaidError("2.9", 400065)
        message = {
            "id": self.state.next_id(),
            "user_id": account.id,
            "info_id": record["id"],
            "category": record["category"],
            "level": data.get("level", 1),
            "message_type": data.get("message_type"),
            "flag": data.get("flag"),
            "created_time": self.state.stamp(),
            "occur_time": data.get("occur_time") or self.state.stamp(),
            "content": f"{record['title']}: {data.get('flag')}",
        }
        self.state.messages.append(message)
        return "2.9", 200039, {"data": message}

    # §2.12 and §2.13.

    async def _latest_version(self, request: web.Request) -> tuple[str, int, Any]:
        self._account(request, "2.1")
        wanted = int(request.query.get("device_type", 0))
        found = [version for version in self.state.versions if version["device_type"] == wanted]
        if not found:
            raise _SaidError("2.1", 400003)
        return "2.12", 200037, {"data": found[-1]}

    async def _timestamp(self, request: web.Request) -> tuple[str, int, Any]:
        self._account(request, "2.1")
        return "2.13", 200049, {"data": {"timestamp": int(self.state.time().timestamp())}}


def _page(request: web.Request, rows: Sequence[Any]) -> dict[str, Any]:
    """The page that `limit` and `page` ask for; ten rows where they do not (分页说明)."""
    limit = max(1, int(request.query.get("limit", _A_PAGE)))
    number = max(1, int(request.query.get("page", 1)))
    return _listed(rows[(number - 1) * limit : number * limit], number, max(1, ceil(len(rows) / limit)), len(rows))


def _listed(rows: Sequence[Any], page: int, pages: int, total: int | None = None) -> dict[str, Any]:
    shown = {"total_page": pages, "current_page": page, "page_pieces": len(rows), "total_pieces": total or len(rows)}
    return {"page": shown, "data": list(rows)}
