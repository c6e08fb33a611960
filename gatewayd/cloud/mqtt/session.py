"""The MQTT session (§4.1): connects, runs the publisher and the listener on the connection, and reconnects.

When a connection breaks, the tasks on it are cancelled; they start anew on the next one. What is published and received
is up to them (`publisher`, `request_listener`).
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

from gatewayd.backoff import Backoff, Retries

log = structlog.get_logger()

_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)
_LONGEST_PAUSE_AFTER_CONNECTION_S: Final = 4.0  # the broker answers, and the connection breaks again and again
_LONGEST_PAUSE_WHEN_REFUSED_S: Final = 600.0  # a wrong password: too many attempts lock the account
_TIMEOUT_S: Final = 10.0
_FIRST_CONNECT_TIMEOUT_S: Final = 5.0  # while it is unknown whether the broker answers to this version of MQTT
_LAST_PUBLISH_TIMEOUT_S: Final = 1.0
_CANCELLED_AGAIN_S: Final = 0.5
_MAX_FILTERS: Final = 50  # in one SUBSCRIBE or UNSUBSCRIBE

# Reason codes of CONNACK, in MQTT 3.1.1 and in MQTT 5, and the first failure code of SUBACK in both.
_UNSUPPORTED_VERSION: Final = frozenset({1, 132})
_ACCOUNT_REFUSED: Final = frozenset({4, 5, 134, 135})  # bad username or password, not authorized
_FIRST_FAILURE: Final = 0x80


@dataclass(frozen=True, slots=True)
class MqttAccount:
    """The broker and the account on it (§4.1: the https user; the client id is the gateway's uuid)."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    client_id: str
    keepalive_s: int = 60
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedMqttMessage:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class MqttConnection:
    """A connection to the broker. Its methods raise aiomqtt.MqttError when it breaks."""

    def __init__(self, client: aiomqtt.Client, *, is_v5: bool) -> None:
        self._client = client
        self._is_v5 = is_v5
        self._queued: asyncio.Queue[MqttMessage] = asyncio.Queue()
        self.filters: frozenset[str] = frozenset()

    async def publish(self, message: MqttMessage) -> None:
        """Publish; returns when a message of QoS 0 is written, or the broker has acknowledged one of QoS 1."""
        # No timeout: a connection that breaks cancels the task, and each timeout would cost a task of its own.
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
        with suppress(aiomqtt.MqttError), _raising_lost_cancellation():
            await self._client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    async def set_subscriptions(self, filters: Iterable[str]) -> None:
        """Subscribe and unsubscribe so that the subscriptions are `filters`."""
        requested = frozenset(filters)
        with _raising_lost_cancellation():
            for chunk in _chunks(sorted(requested - self.filters)):
                await self._subscribe(chunk)
            for chunk in _chunks(sorted(self.filters - requested)):
                await self._client.unsubscribe(list(chunk))
        self.filters = requested

    async def messages(self) -> AsyncIterator[ReceivedMqttMessage]:
        """The messages that the broker sends, as they are received."""
        async for message in self._client.messages:
            yield ReceivedMqttMessage(message.topic.value, message.payload, bool(message.retain))

    async def _subscribe(self, filters: Sequence[str]) -> None:
        if self._is_v5:
            # Without the gateway's own messages and without retained ones: neither is ever a request.
            options = SubscribeOptions(qos=1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            codes = await self._client.subscribe([(name, options) for name in filters])
        else:
            codes = await self._client.subscribe([(name, 1) for name in filters])
        refused = [name for name, code in zip(filters, codes, strict=True) if _number_of(code) >= _FIRST_FAILURE]
        if refused:
            log.error("subscription_refused", filters=refused)


ConnectionTask = Callable[[MqttConnection], Awaitable[None]]
"""Runs on a connection until it is cancelled."""


class MqttSession:
    """Keeps a connection to the broker.

    The broker publishes `will` when a connection breaks. `tasks` run on each connection. `connected` is set while there
    is one, `connections` counts them, and `disconnect_reason` says why there is none (None: connected).
    """

    def __init__(
        self, account: MqttAccount, will: MqttMessage, tasks: Sequence[ConnectionTask], *, chance: random.Random
    ) -> None:
        self._account = account
        self._will = will
        self._tasks = tuple(tasks)
        self._chance = chance
        self._use_v5 = True
        self._is_version_known = False
        self._is_account_refused = False
        self.connected = asyncio.Event()
        self.disconnect_reason: str | None = "not connected yet"
        self.connections = 0
        self.connecting_since: float | None = None
        """When the present attempt to connect, or to end a connection, began, by the event loop's clock; else None."""

    async def run(self) -> None:
        """Connect, and reconnect whenever the connection breaks, until cancelled."""
        clock = asyncio.get_running_loop().time
        retries = Retries(_BACKOFF, self._chance)
        while True:
            began, connections = clock(), self.connections
            self.connecting_since = began
            try:
                await _run_in_own_task(self._run_connection())
            except* (aiomqtt.MqttError, OSError) as errors:
                self._note_failure(_first_error(errors))
            finally:
                self.connecting_since = None
            retries.reset_if_lasted(clock() - began)
            was_connected = self.connections > connections
            await asyncio.sleep(retries.next_pause_s(self._longest_pause_s(was_connected=was_connected)))

    def _longest_pause_s(self, *, was_connected: bool) -> float:
        if self._is_account_refused:
            return _LONGEST_PAUSE_WHEN_REFUSED_S
        return _LONGEST_PAUSE_AFTER_CONNECTION_S if was_connected else _BACKOFF.longest_s

    async def _run_connection(self) -> None:
        """Connect and run the tasks until the connection breaks. Raises aiomqtt.MqttError, OSError."""
        is_v5 = self._use_v5
        async with AsyncExitStack() as stack:
            with _raising_lost_cancellation():
                client = await stack.enter_async_context(self._client(is_v5=is_v5))
            client.timeout = _TIMEOUT_S
            self._is_version_known = True
            connection = MqttConnection(client, is_v5=is_v5)
            self.disconnect_reason = None
            self.connections += 1
            self.connected.set()
            self.connecting_since = None
            log.info("mqtt_connected", host=self._account.host, port=self._account.port, version=5 if is_v5 else 3)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(connection.publish_queued())
                    for task in self._tasks:
                        tasks.create_task(_run(task, connection))
            finally:
                self.connected.clear()
                self.connecting_since = asyncio.get_running_loop().time()
                await self._publish_will(client)

    async def _publish_will(self, client: aiomqtt.Client) -> None:
        """Publish the will: a broker drops it when a client disconnects in order."""
        will = self._will
        with suppress(aiomqtt.MqttError):
            await client.publish(
                will.topic, will.payload, qos=will.qos, retain=will.retain, timeout=_LAST_PUBLISH_TIMEOUT_S
            )

    def _client(self, *, is_v5: bool) -> aiomqtt.Client:
        account = self._account
        clean: dict[str, Any] = {} if is_v5 else {"clean_session": True}
        return aiomqtt.Client(
            account.host,
            account.port,
            username=account.username,
            password=account.password,
            identifier=account.client_id,
            keepalive=account.keepalive_s,
            tls_context=account.tls,
            will=aiomqtt.Will(self._will.topic, self._will.payload, self._will.qos, self._will.retain),
            protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
            clean_start=True if is_v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            timeout=_TIMEOUT_S if self._is_version_known else _FIRST_CONNECT_TIMEOUT_S,
            # Nagle's algorithm would delay small packets by 40 ms each.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **clean,
        )

    def _note_failure(self, error: BaseException) -> None:
        """Take note why there is no connection, and change the version of MQTT where the broker does not support it."""
        code = _number_of(getattr(error, "rc", None))
        # A broker of MQTT 3.1.1 only refuses version 5, or does not answer at all.
        has_no_answer = not self._is_version_known and isinstance(error.__context__, TimeoutError)
        if has_no_answer or (self._use_v5 and code in _UNSUPPORTED_VERSION):
            self._use_v5 = not self._use_v5
        self._is_account_refused = code in _ACCOUNT_REFUSED
        reason = str(error) or type(error).__name__
        if reason != self.disconnect_reason:  # logged once per reason, not once per attempt
            log.warning("mqtt_disconnected", host=self._account.host, port=self._account.port, reason=reason)
        self.disconnect_reason = reason


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
def _raising_lost_cancellation() -> Iterator[None]:
    """Raise CancelledError for a cancellation that came inside and was lost.

    aiomqtt uses `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes as it ends (fixed in 3.12).
    """
    before = _cancellations()
    yield
    if _cancellations() > before:
        raise asyncio.CancelledError


async def _run(task: ConnectionTask, connection: MqttConnection) -> None:
    await task(connection)


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _number_of(code: Any) -> int:
    """The number of a reason code of paho, in either version of MQTT."""
    return int(getattr(code, "value", code) or 0)


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _MAX_FILTERS] for start in range(0, len(names), _MAX_FILTERS))
