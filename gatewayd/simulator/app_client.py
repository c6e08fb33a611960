"""The vendor's app on a user's phone (§4): publishes requests over MQTT, records what the gateway publishes.

A real MQTT client; the broker is `broker`'s.
"""

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

_REQUEST_STATUS: Final[Mapping[ExecType, OperationStatus]] = {
    ExecType.CREATE: OperationStatus.CREATE_REQUESTED,
    ExecType.UPDATE: OperationStatus.UPDATE_REQUESTED,
    ExecType.DELETE: OperationStatus.DELETE_REQUESTED,
    ExecType.QUERY: OperationStatus.STATE_REQUESTED,
    ExecType.CONTROL: OperationStatus.CONTROL_REQUESTED,
    ExecType.SET: OperationStatus.SET_REQUESTED,
}
_PROGRESS: Final = frozenset(
    {
        OperationStatus.CREATING,
        OperationStatus.UPDATING,
        OperationStatus.CONTROLLING,
        OperationStatus.DELETING,
        OperationStatus.SETTING,
    }
)
_CONNECT_TIMEOUT_S: Final = 10
_RECONNECT_S: Final = 0.02
_CANCELLED_AGAIN_S: Final = 0.5
_MOST_RECEIVED: Final = 100_000


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that the client has received; `meaning` is None where the status is none of the API's."""

    topic: str
    retained: bool
    meaning: OperationStatus | None
    sn: str | int | None
    msg: Mapping[str, Any]
    at: float  # event loop's time

    @property
    def is_final_answer(self) -> bool:
        """True for what a gateway publishes other than progress: the end of a request, or a state."""
        return self.meaning is not None and not self.meaning.is_request and self.meaning not in _PROGRESS


class AppClient:
    """The app of a logged-in user, subscribed to his topics. `received` holds the newest messages, oldest first."""

    def __init__(self, user: str) -> None:
        self.user = user
        self._client: aiomqtt.Client | None = None
        self._online = asyncio.Event()
        self._sn = count(1)
        self.received: deque[ReceivedMessage] = deque(maxlen=_MOST_RECEIVED)
        self._new_message = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, host: str, port: int, user: str, password: str, *, name: str = "phone"
    ) -> AsyncIterator["AppClient"]:
        """A client on the broker as `user`; reconnects when the broker is back. Raises TimeoutError.

        `name` tells several clients of one user apart.
        """
        app = cls(user)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(app._run(host, port, password, f"{name}-{user}"))
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await app._online.wait()
                yield app
            finally:
                await _stop(running)

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
        """Publish a request and return its `sn`; `fields` are those of its msg ("param", "title" …)."""
        sn = sn or f"{self.user}-{next(self._sn)}"
        status = _REQUEST_STATUS[exectype]
        payload = {
            "msg": {"sn": sn, "category": category, "uuid": uuid, **fields},
            "status": status.code,
            "desc": status.desc,
        }
        await self.publish(category, uuid, exectype, msgspec.json.encode(payload), retain=retain)
        return sn

    async def publish(self, category: str, uuid: str, exectype: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish any bytes on one of the user's topics, QoS 1."""
        await self._online.wait()
        assert self._client is not None
        await self._client.publish(f"{self.user}/{category}/{uuid}/{exectype}", payload, qos=1, retain=retain)

    async def request(self, category: Category, uuid: str, exectype: ExecType, **fields: Any) -> ReceivedMessage:
        """Publish a request and return its final answer. Raises TimeoutError."""
        sn = await self.send(category, uuid, exectype, **fields)
        return await self.expect(lambda message: message.sn == sn and message.is_final_answer)

    async def expect(
        self, condition: Callable[[ReceivedMessage], bool], *, timeout_s: float = 15, since: float = 0
    ) -> ReceivedMessage:
        """The first message at or after `since` (event loop's time) that meets the condition, received already or not.

        Raises TimeoutError.
        """
        async with asyncio.timeout(timeout_s), self._new_message:
            while True:
                for message in self.received:
                    if message.at >= since and condition(message):
                        return message
                await self._new_message.wait()

    async def _run(self, host: str, port: int, password: str, identifier: str) -> None:
        while True:
            try:
                async with _Client(
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
                    await self._receive(client)
            except aiomqtt.MqttError:
                self._online.clear()
                await asyncio.sleep(_RECONNECT_S)

    async def _receive(self, client: aiomqtt.Client) -> None:
        now = asyncio.get_running_loop().time
        async for mqtt_message in client.messages:
            topic, retained = str(mqtt_message.topic), bool(mqtt_message.retain)
            message = _decode(topic, mqtt_message.payload, retained=retained, at=now())
            async with self._new_message:
                self.received.append(message)
                self._new_message.notify_all()


class _Client(aiomqtt.Client):
    """aiomqtt's client; one that is cancelled while it connects ends without a traceback."""

    def _on_disconnect(self, *arguments: Any, **extra: Any) -> None:
        if not self._connected.cancelled():
            super()._on_disconnect(*arguments, **extra)


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel `task` until it has ended: Python 3.11's wait_for, which aiomqtt uses, may drop a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCELLED_AGAIN_S)


class _AppEnvelope(msgspec.Struct):
    msg: dict[str, Any] = msgspec.field(default_factory=dict)
    status: int = 0
    desc: str = ""


def _decode(topic: str, payload: bytes, *, retained: bool, at: float) -> ReceivedMessage:
    try:
        envelope = msgspec.json.decode(payload, type=_AppEnvelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ReceivedMessage(topic, retained, None, None, {}, at)
    meaning = operation_status(envelope.status, envelope.desc)
    return ReceivedMessage(topic, retained, meaning, envelope.msg.get("sn"), envelope.msg, at)
