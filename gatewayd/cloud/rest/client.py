"""The endpoints that this gateway uses today, each typed: §1.3, §2.1, §2.4, §2.9, §2.12, §2.13.

The token is got by logging in, and got again once when the cloud refuses it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
import structlog

from gatewayd.cloud.rest.errors import RefusedByCloudError
from gatewayd.cloud.rest.transport import Endpoint, Transport
from gatewayd.model.errors import CloudError
from gatewayd.model.outgoing import MessageDue
from gatewayd.model.record import Record
from gatewayd.model.record_wire import from_wire, to_wire

log = structlog.get_logger()

T = TypeVar("T")

LOGIN: Final = Endpoint("1.3", "POST", "/api/accounts/login/")
REGISTER: Final = Endpoint("2.4", "POST", "/api/accounts/register/gw")
RECORDS: Final = Endpoint("2.1", "GET", "/api/iot/iot_manage_view/")
NEW_RECORD: Final = Endpoint("2.1", "POST", "/api/iot/iot_manage_view/")
CHANGED_RECORD: Final = Endpoint("2.1", "PUT", "/api/iot/iot_manage_view/")
GONE_RECORD: Final = Endpoint("2.1", "DELETE", "/api/iot/iot_manage_view/")
MESSAGES: Final = Endpoint("2.9", "GET", "/api/iot/messages/")
NEW_MESSAGE: Final = Endpoint("2.9", "POST", "/api/iot/messages/")
LATEST_VERSION: Final = Endpoint("2.12", "GET", "/api/iot/versions/latest/")
TIMESTAMP: Final = Endpoint("2.13", "GET", "/api/iot/get_timestamp/")

UNKNOWN_USER: Final = 400010
EXISTS: Final = 400064
GONE: Final = 400065

# Keys that the cloud gives itself, and that no POST or PUT says.
_CLOUDS_OWN: Final = frozenset({"id", "user_id", "create_time", "update_time", "perm", "authorization_id"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The gateway's account, and the uuid that it logs in with."""

    username: str
    password: str = field(repr=False)
    uuid: str = ""
    register: bool = True


class Version(msgspec.Struct, frozen=True):
    """§2.12: a firmware that can be had."""

    version: str
    filename: str
    checksum: str
    device_type: int
    id: int | None = None
    description: str | None = None


class _Login(msgspec.Struct):
    token: str


class _Id(msgspec.Struct):
    id: int


class _Timestamp(msgspec.Struct):
    timestamp: int


class _Page(msgspec.Struct):
    total_page: int = 1
    current_page: int = 1


class CloudClient:
    """Typed calls with a token that renews itself. Made by `connect`."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._token: str | None = None
        self._renewing = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def connect(cls, transport: Transport, credentials: Credentials) -> AsyncIterator["CloudClient"]:
        """A client on `transport`, until this is left."""
        async with transport:
            yield cls(transport, credentials)

    async def log_in(self) -> None:
        """§1.3, and §2.4 first where the cloud does not know the account. Raises CloudError."""
        await self._renew(self._token)

    async def timestamp(self) -> int:
        """§2.13: the cloud's clock, Unix seconds."""
        msg = await self._call(TIMESTAMP)
        return _read(TIMESTAMP, msg, _Timestamp).timestamp

    async def records(self, **filters: str) -> AsyncIterator[Record]:
        """§2.1: every record that the account may see and `filters` let through, page by page."""
        page = 1
        while True:
            msg = await self._call(RECORDS, query={**filters, "page": str(page), "limit": "50"})
            for wire in _rows(RECORDS, msg):
                yield from_wire(wire)
            if page >= _read(RECORDS, {"data": msg.get("page") or {}}, _Page).total_page:
                return
            page += 1

    async def create_record(self, record: Record) -> int:
        """§2.1 POST: the id that the cloud gave it. Raises RefusedByCloudError (EXISTS), UncertainError."""
        return _read(NEW_RECORD, await self._call(NEW_RECORD, body={"data": _said_by_us(record)}), _Id).id

    async def update_record(self, record: Record) -> None:
        """§2.1 PUT. Raises RefusedByCloudError (GONE)."""
        assert record.id is not None
        await self._call(CHANGED_RECORD, id_=record.id, body={"data": _said_by_us(record)})

    async def delete_record(self, id_: int) -> None:
        """§2.1 DELETE. Raises RefusedByCloudError (GONE)."""
        await self._call(GONE_RECORD, id_=id_)

    async def create_message(self, info_id: int, message: MessageDue) -> None:
        """§2.9 POST. Raises UncertainError."""
        body: dict[str, Any] = {
            "info_id": info_id,
            "level": message.level,
            "message_type": message.message_type,
            "flag": message.flag,
            "occur_time": message.occur_time,
        }
        optional = {"key_id": message.key_id, "receiver": message.receiver}
        body |= {name: value for name, value in optional.items() if value is not None}
        await self._call(NEW_MESSAGE, body={"data": body})

    async def count_messages(self, info_id: int, message: MessageDue) -> int:
        """§2.9 GET: how many messages of this device, flag and moment the cloud has."""
        query = {"info_id": str(info_id), "date_gte": message.occur_time, "date_lte": message.occur_time, "limit": "50"}
        rows = _rows(MESSAGES, await self._call(MESSAGES, query=query))
        return sum(row.get("flag") == message.flag and row.get("occur_time") == message.occur_time for row in rows)

    async def latest_version(self, device_type: int) -> Version:
        """§2.12: the newest firmware of that device type."""
        msg = await self._call(LATEST_VERSION, query={"device_type": str(device_type)})
        return _read(LATEST_VERSION, msg, Version)

    async def _call(self, endpoint: Endpoint, **arguments: Any) -> Any:
        """A call with the token; one that the cloud refuses is renewed once."""
        if self._token is None:
            await self._renew(None)
        used = self._token
        try:
            return await self._transport.call(endpoint, token=used, **arguments)
        except RefusedByCloudError as error:
            if not error.is_token:
                raise
        await self._renew(used)
        return await self._transport.call(endpoint, token=self._token, **arguments)

    async def _renew(self, refused: str | None) -> None:
        async with self._renewing:
            if self._token is not None and self._token != refused:
                return  # somebody else has renewed it meanwhile
            try:
                self._token = await self._logged_in()
            except RefusedByCloudError as error:
                if error.code != UNKNOWN_USER or not self._credentials.register:
                    raise
                await self._register()
                self._token = await self._logged_in()
            log.info("cloud_logged_in", username=self._credentials.username)

    async def _logged_in(self) -> str:
        who = self._credentials
        body = {
            "username": who.username,
            "password": who.password,
            "language": "chs",
            "uuid": who.uuid,
            "devtype": "emb",
        }
        msg = await self._transport.call(LOGIN, body=body)
        return _read(LOGIN, {"data": msg}, _Login).token

    async def _register(self) -> None:
        who = self._credentials
        await self._transport.call(REGISTER, body={"data": {"username": who.username, "password": who.password}})
        log.info("cloud_registered", username=who.username)


def _said_by_us(record: Record) -> dict[str, Any]:
    """What a POST or PUT says of a record: not what is the cloud's own; `type_sub`, as §2.1's examples have it."""
    wire = {name: value for name, value in to_wire(record).items() if name not in _CLOUDS_OWN}
    wire["type_sub"] = wire.pop("type", record.type_sub)
    return wire


def _rows(endpoint: Endpoint, msg: Any) -> list[Mapping[str, Any]]:
    if not isinstance(msg, dict) or not isinstance(msg.get("data"), list):
        raise CloudError(f"{endpoint.method} {endpoint.path}: msg.data is no list")
    return [row for row in msg["data"] if isinstance(row, dict)]


def _read(endpoint: Endpoint, msg: Any, kind: type[T]) -> T:
    """`msg.data` as `kind`. Raises CloudError with the place."""
    try:
        return msgspec.convert(msg["data"], kind)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise CloudError(f"{endpoint.method} {endpoint.path}: msg.data: {error}") from error
