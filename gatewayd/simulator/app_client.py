"""A member of the household with the vendor's app on his phone: asks over MQTT and sees what the gateway says (§4)."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import aiomqtt
import msgspec

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus, operation_status

_ASKS: Final[Mapping[ExecType, OperationStatus]] = {
    ExecType.CREATE: OperationStatus.CREATE_REQUESTED,
    ExecType.UPDATE: OperationStatus.UPDATE_REQUESTED,
    ExecType.DELETE: OperationStatus.DELETE_REQUESTED,
    ExecType.QUERY: OperationStatus.STATE_REQUESTED,
    ExecType.CONTROL: OperationStatus.CONTROL_REQUESTED,
    ExecType.SET: OperationStatus.SET_REQUESTED,
}
_BACK_AFTER_S: Final = 0.02
_PROGRESS: Final = frozenset(
    {
        OperationStatus.CREATING,
        OperationStatus.UPDATING,
        OperationStatus.CONTROLLING,
        OperationStatus.DELETING,
        OperationStatus.SETTING,
    }
)


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One message as the phone saw it."""

    topic: str
    retained: bool
    meaning: OperationStatus | None
    sn: str | None
    msg: Mapping[str, Any]
    at: float  # the loop's clock

    @property
    def is_final(self) -> bool:
        """True for a gateway's last word on a request."""
        return self.meaning is not None and not self.meaning.is_request and self.meaning not in _PROGRESS


class AppClient:
    """A phone that is logged in. It keeps the last messages, and hears whatever comes under its own name."""

    def __init__(self, user: str) -> None:
        self.user = user
        self._client: aiomqtt.Client | None = None
        self._online = asyncio.Event()
        self._sn = count(1)
        self.seen: deque[ReceivedMessage] = deque(maxlen=100_000)
        self._news = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, host: str, port: int, user: str, password: str, *, name: str = "phone"
    ) -> AsyncIterator["AppClient"]:
        """A phone on the broker under `user`, until this is left; it comes back when the broker does."""
        phone = cls(user)
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(phone._live(host, port, password, f"{name}-{user}"))
            async with asyncio.timeout(10):
                await phone._online.wait()
            try:
                yield phone
            finally:
                living.cancel()

    async def send(
        self,
        category: Category,
        uuid: str,
        exectype: ExecType,
        *,
        sn: str | None = None,
        retain: bool = False,
        **fields: Any,
    ) -> str:
        """Ask, without waiting; `fields` are the msg's own ("param", "title" …). Returns the request's `sn`."""
        sn = sn or f"{self.user}-{next(self._sn)}"
        asks = _ASKS[exectype]
        payload = {
            "msg": {"sn": sn, "category": category, "uuid": uuid, **fields},
            "status": asks.code,
            "desc": asks.desc,
        }
        await self.publish(category, uuid, exectype, msgspec.json.encode(payload), retain=retain)
        return sn

    async def publish(self, category: str, uuid: str, exectype: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish any bytes on a topic of this user's, QoS 1."""
        await self._online.wait()
        assert self._client is not None
        await self._client.publish(f"{self.user}/{category}/{uuid}/{exectype}", payload, qos=1, retain=retain)

    async def ask(self, category: Category, uuid: str, exectype: ExecType, **fields: Any) -> ReceivedMessage:
        """Ask and wait for the final answer."""
        sn = await self.send(category, uuid, exectype, **fields)
        return await self.expect(lambda seen: seen.sn == sn and seen.is_final)

    async def expect(
        self, wanted: Callable[[ReceivedMessage], bool], *, timeout_s: float = 15, since: float = 0
    ) -> ReceivedMessage:
        """The first message seen after `since` (loop's clock) that is `wanted`, from the past or to come.

        Raises TimeoutError.
        """
        async with asyncio.timeout(timeout_s), self._news:
            while True:
                for seen in self.seen:
                    if seen.at >= since and wanted(seen):
                        return seen
                await self._news.wait()

    async def _live(self, host: str, port: int, password: str, identifier: str) -> None:
        while True:
            try:
                async with aiomqtt.Client(
                    host,
                    port,
                    username=self.user,
                    password=password,
                    identifier=identifier,
                    socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
                ) as client:
                    await client.subscribe(f"{self.user}/#", qos=1)
                    self._client = client
                    self._online.set()
                    await self._listen(client)
            except aiomqtt.MqttError:
                self._online.clear()
                await asyncio.sleep(_BACK_AFTER_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        now = asyncio.get_running_loop().time
        async for message in client.messages:
            seen = _read(str(message.topic), message.payload, retained=bool(message.retain), at=now())
            async with self._news:
                self.seen.append(seen)
                self._news.notify_all()


class _AppEnvelope(msgspec.Struct):
    msg: dict[str, Any] = msgspec.field(default_factory=dict)
    status: int = 0
    desc: str = ""


def _read(topic: str, payload: bytes, *, retained: bool, at: float) -> ReceivedMessage:
    try:
        envelope = msgspec.json.decode(payload, type=_AppEnvelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ReceivedMessage(topic, retained, None, None, {}, at)
    meaning = operation_status(envelope.status, envelope.desc)
    return ReceivedMessage(topic, retained, meaning, envelope.msg.get("sn"), envelope.msg, at)
