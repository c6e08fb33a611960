"""The MQTT session (§4.1): connects, says that the gateway is there, runs what lives on the line, and comes back.

While the line stands, the uplink and the downlink run on it; when it breaks they are cancelled and a new line is made.
"""

import asyncio
import math
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
import structlog
from paho.mqtt.subscribeoptions import SubscribeOptions

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_PAUSE_AFTER_LINE_S: Final = 4.0  # a broker that answers, and is gone again and again
_LONGEST_PAUSE_REFUSED_S: Final = 600.0  # a password that is not taken: accounts lock
_FILTERS_A_PACKET: Final = 50
_UNSUPPORTED_VERSION: Final = frozenset({1, 132})  # CONNACK in MQTT 3.1.1, in MQTT 5
_REFUSED: Final = frozenset({4, 5, 134, 135})  # CONNACK: the account is not let in (3.1.1, then 5)
_TIMEOUT_S: Final = 10.0
_GREETING_TIMEOUT_S: Final = 5.0
_CANCELLED_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class MqttAccount:
    """Where to connect, and as whom (§4.1: the https user; client id is the gateway's uuid)."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    client_id: str
    keepalive_s: int = 60
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """What goes out."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedMqttMessage:
    """What came in."""

    topic: str
    payload: bytes
    retained: bool


class MqttConnection:
    """A connection that stands. Its methods raise aiomqtt.MqttError when it breaks, which ends what runs on it."""

    def __init__(self, client: aiomqtt.Client, *, is_v5: bool) -> None:
        self._client = client
        self._is_v5 = is_v5
        self._queued: asyncio.Queue[MqttMessage] = asyncio.Queue()
        self.filters: frozenset[str] = frozenset()

    async def publish(self, message: MqttMessage) -> None:
        """QoS 0: returns when it is written; QoS 1: when the broker has acknowledged it."""
        # No timeout: a line that breaks cancels whoever waits on it, and each timeout would be a task.
        await self._client.publish(
            message.topic, message.payload, qos=message.qos, retain=message.retain, timeout=math.inf
        )

    def publish_soon(self, message: MqttMessage) -> None:
        """Publish without waiting for it; dropped where the connection ends first."""
        self._queued.put_nowait(message)

    async def publish_queued(self) -> None:
        """Publish what `publish_soon` takes, until cancelled; no message waits for another's acknowledgement."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._try_publish(await self._queued.get()))

    async def _try_publish(self, message: MqttMessage) -> None:
        with suppress(aiomqtt.MqttError), _heeding_cancellation():
            await self._client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    async def keep_subscribed(self, filters: Iterable[str]) -> None:
        """Subscribe to what is new in `filters` and unsubscribe what is no longer there."""
        wanted = frozenset(filters)
        with _heeding_cancellation():
            for chunk in _chunks(sorted(wanted - self.filters)):
                await self._subscribe(chunk)
            for chunk in _chunks(sorted(self.filters - wanted)):
                await self._client.unsubscribe(list(chunk))
        self.filters = wanted

    async def arriving(self) -> AsyncIterator[ReceivedMqttMessage]:
        """Everything that comes in."""
        async for message in self._client.messages:
            yield ReceivedMqttMessage(message.topic.value, message.payload, bool(message.retain))

    async def _subscribe(self, filters: Sequence[str]) -> None:
        if self._is_v5:
            # Not our own messages, and not what was retained before: neither is ever a request.
            options = SubscribeOptions(qos=1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            granted = await self._client.subscribe([(name, options) for name in filters])
        else:
            granted = await self._client.subscribe([(name, 1) for name in filters])
        refused = [name for name, code in zip(filters, granted, strict=True) if _code(code) >= 0x80]
        if refused:
            log.error("subscription_refused", filters=refused)


ConnectionTask = Callable[[MqttConnection], Awaitable[None]]
"""Runs on a line until it is cancelled."""


class MqttSession:
    """Keeps a line to the broker. `will` is what the broker says when the line breaks; `parts` run on each line."""

    def __init__(
        self, account: MqttAccount, will: MqttMessage, parts: Sequence[ConnectionTask], *, chance: random.Random
    ) -> None:
        self._account = account
        self._will = will
        self._parts = tuple(parts)
        self._chance = chance
        self._v5 = True
        self._version_works = False
        self._is_refused = False
        self.connected = asyncio.Event()
        self.trouble: str | None = "not connected yet"
        self.connections = 0

    async def run(self) -> None:
        """Connect, and connect again whenever the line breaks, until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            began, connections = asyncio.get_running_loop().time(), self.connections
            try:
                await _run_in_own_task(self._live())
            except* (aiomqtt.MqttError, OSError) as broken:
                self._broke(_first(broken))
            if asyncio.get_running_loop().time() - began > 2 * pause:
                pause = _FIRST_PAUSE_S
            pause = min(pause, self._longest_pause(has_lived=self.connections > connections))
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.0))
            pause *= 2

    def _longest_pause(self, *, has_lived: bool) -> float:
        if self._is_refused:
            return _LONGEST_PAUSE_REFUSED_S
        return _LONGEST_PAUSE_AFTER_LINE_S if has_lived else _LONGEST_PAUSE_S

    async def _live(self) -> None:
        """One line, from connecting to its end."""
        v5 = self._v5
        async with AsyncExitStack() as stack:
            with _heeding_cancellation():
                client = await stack.enter_async_context(self._client(v5=v5))
            client.timeout = _TIMEOUT_S
            self._version_works = True
            connection = MqttConnection(client, is_v5=v5)
            self.trouble = None
            self.connections += 1
            self.connected.set()
            log.info("mqtt_connected", host=self._account.host, port=self._account.port, version=5 if v5 else 3)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(connection.publish_queued())
                    for part in self._parts:
                        tasks.create_task(_run(part, connection))
            finally:
                self.connected.clear()
                await self._say_goodbye(client)

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        """A broker keeps the will of who leaves in order: then the gateway says it itself."""
        will = self._will
        with suppress(aiomqtt.MqttError):
            await client.publish(will.topic, will.payload, qos=will.qos, retain=will.retain, timeout=1)

    def _client(self, *, v5: bool) -> aiomqtt.Client:
        account = self._account
        clean: dict[str, Any] = {} if v5 else {"clean_session": True}
        return aiomqtt.Client(
            account.host,
            account.port,
            username=account.username,
            password=account.password,
            identifier=account.client_id,
            keepalive=account.keepalive_s,
            tls_context=account.tls,
            will=aiomqtt.Will(self._will.topic, self._will.payload, self._will.qos, self._will.retain),
            protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
            clean_start=True if v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            timeout=_TIMEOUT_S if self._version_works else _GREETING_TIMEOUT_S,
            # Small packets that wait for one another's acknowledgement would cost 40 ms each.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **clean,
        )

    def _broke(self, error: BaseException) -> None:
        # Some brokers of MQTT 3.1.1 say that they do not know version 5; others say nothing at all.
        is_silent = not self._version_works and isinstance(error.__context__, TimeoutError)
        if is_silent or (self._v5 and _code(getattr(error, "rc", None)) in _UNSUPPORTED_VERSION):
            self._v5 = not self._v5
        self._is_refused = _code(getattr(error, "rc", None)) in _REFUSED
        reason = str(error) or type(error).__name__
        if reason != self.trouble:  # once a reason, not once an attempt
            log.warning("mqtt_disconnected", host=self._account.host, port=self._account.port, reason=reason)
        self.trouble = reason


async def _run_in_own_task(connection: Coroutine[Any, Any, None]) -> None:
    """Run a connection to its end; when cancelled, cancel it until it has ended.

    Before Python 3.13 a TaskGroup that ends with an error drops a cancellation that arrives meanwhile (a broker that
    stops at the same moment as the gateway). The loop that reconnects must not be the task that it is dropped in.
    """
    task = asyncio.create_task(connection)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task}, timeout=_CANCELLED_AGAIN_S if is_cancelled else None)
        except asyncio.CancelledError:
            is_cancelled = True
        if is_cancelled:
            task.cancel()
    if is_cancelled:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not log it
        raise asyncio.CancelledError
    task.result()


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


@contextmanager
def _heeding_cancellation() -> Iterator[None]:
    """Python 3.11's wait_for, which aiomqtt uses, forgets a cancellation that comes as it ends (mended in 3.12)."""
    before = _cancellations()
    yield
    if _cancellations() > before:
        raise asyncio.CancelledError


async def _run(part: ConnectionTask, connection: MqttConnection) -> None:
    await part(connection)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _code(code: Any) -> int:
    """The number of a paho reason code, of either protocol version."""
    return int(getattr(code, "value", code) or 0)


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _FILTERS_A_PACKET] for start in range(0, len(names), _FILTERS_A_PACKET))
