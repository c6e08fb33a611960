"""The MQTT session (§4.1): connects, runs the publisher and the listener on the connection, and reconnects.

When a connection breaks, the tasks on it are cancelled; they start anew on the next one. What is published and received
is up to them (`publisher`, `request_listener`). `connection` judges whether a connection works, `poison_messages` which
message ends connections.
"""

import asyncio
import random
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.mqtt.broker_trouble import BrokerSilentError, BrokerTrouble
from gatewayd.cloud.mqtt.client import Disconnect, MqttClient, MqttMessage, code_number, connect_properties
from gatewayd.cloud.mqtt.connection import MqttConnection, ReceivedMqttMessage
from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.poison_messages import PoisonMessages
from gatewayd.cloud.mqtt.session_ends import TAKEN_OVER, EndKind, SessionEnd, SessionEnds

__all__ = ["MqttAccount", "MqttConnection", "MqttMessage", "MqttSession", "ReceivedMqttMessage"]

log = structlog.get_logger()

_BACKOFF: Final = Backoff(first_s=1.0, longest_s=60.0)
_MAX_TOLD: Final = 3  # refused filters, messages and states in one line
_TIMEOUT_S: Final = 10.0
_FIRST_CONNECT_TIMEOUT_S: Final = 5.0  # while it is unknown whether the broker answers to this version of MQTT
_LAST_PUBLISH_TIMEOUT_S: Final = 1.0
_MAX_INFLIGHT: Final = 65_535  # paho's own limit, out of the way: `connection` counts by the broker's

# Reason codes of CONNACK, in MQTT 3.1.1 and in MQTT 5.
_UNSUPPORTED_VERSION: Final = frozenset({1, 132})
_RETAIN_REFUSED: Final = 154
_WILL_REFUSED: Final = frozenset({144, 149, 153})  # topic name, packet too large, payload format


@dataclass(frozen=True, slots=True)
class MqttAccount:
    """The broker and the account on it (§4.1: the https user; the client id is the gateway's uuid).

    `ack_timeout_s`: within this the broker acknowledges what it is sent. `probe_every_s`: to this it is known how long
    a message can have been under way.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    client_id: str
    keepalive_s: int = 60
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    ack_timeout_s: float = 15.0
    probe_every_s: float = 15.0


ConnectionTask = Callable[[MqttConnection], Awaitable[None]]
"""Runs on a connection until it is cancelled."""


class MqttSession:
    """Keeps a connection to the broker.

    The broker publishes `will` when a connection breaks, on the topic of the gateway's own state. `tasks` run on each
    connection. `connected` is set while there is one, `connections` counts them. `disconnect_reason` says why there is
    none (None: connected), and `last_disconnect` how the last one ended. `incoming` limits what is received, over all
    connections.
    """

    def __init__(
        self,
        account: MqttAccount,
        will: MqttMessage,
        tasks: Sequence[ConnectionTask],
        *,
        incoming: IncomingLimit,
        chance: random.Random,
    ) -> None:
        self._account = account
        self._will = will
        self._tasks = tuple(tasks)
        self._incoming = incoming
        self._use_v5 = True
        self._is_version_known = False
        self._is_will_retained = will.retain
        self._has_will = True
        self._poison = PoisonMessages()
        self._trouble = BrokerTrouble()
        self._connection: MqttConnection | None = None
        self._disconnect: Disconnect | None = None
        self._was_subscribed = False  # the last connection, when it ended
        self._has_found_poison = False  # when the last connection ended: the next one may work
        self._ends = SessionEnds(Retries(_BACKOFF, chance))
        self.connected = asyncio.Event()
        self.disconnect_reason: str | None = "not connected yet"
        self.last_disconnect: str | None = None
        self.connections = 0
        self.connecting_since: float | None = None
        """When the present attempt to connect, or to end a connection, began, by the event loop's clock; else None."""

    @property
    def is_working(self) -> bool:
        """True while there is a connection that is subscribed, and on which the broker acknowledges what it is sent and
        delivers (as far as is known).
        """
        connection = self._connection
        if connection is None or self._trouble.deafness is not None:
            return False
        return connection.subscriptions.are_answered and connection.is_answered

    @property
    def refused_filters(self) -> dict[str, str]:
        """The subscriptions that the broker refuses on this connection, with its reasons."""
        return dict(self._trouble.filters) if self._connection is not None else {}

    @property
    def refused_messages(self) -> dict[str, str]:
        """The topics on which the account may not write answers and notices, with the broker's reasons."""
        return dict(self._trouble.messages)

    @property
    def counters(self) -> Counter[str]:
        """`over_limit`: messages of users other than the owner, or too many of his, that were not read."""
        return self._incoming.counters

    @property
    def trouble(self) -> str | None:
        """What does not work, for people; None: all does."""
        if (connection := self._connection) is None:
            return self.disconnect_reason
        if not connection.is_answered:
            return "the broker does not acknowledge what it is sent"
        if not connection.subscriptions.are_answered:
            return "not subscribed yet"
        trouble = self._trouble
        refused = [
            f"{name}: {reason}" for name, reason in (trouble.filters | trouble.messages | trouble.states).items()
        ]
        told = [*refused[:_MAX_TOLD], *(["…"] if len(refused) > _MAX_TOLD else [])]
        return "; ".join([*([trouble.deafness] if trouble.deafness else []), *told]) or None

    @property
    def refused_states(self) -> dict[str, str]:
        """The topics of states that are not published, with the reasons."""
        return dict(self._trouble.states)

    async def run(self) -> None:
        """Connect, and reconnect whenever the connection breaks, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began, pause_s, self._disconnect, self._has_found_poison = clock(), 0.0, None, False
            self.connecting_since = began
            try:
                await self._run_connection()
            except* Exception as errors:  # noqa: BLE001  # whatever one message led to, the session goes on
                pause_s = self._note_failure(_decisive_error(errors), clock() - began)
            finally:
                self.connecting_since = None
            await asyncio.sleep(pause_s)

    async def _run_connection(self) -> None:
        """Connect and run the tasks until the connection breaks. Raises aiomqtt.MqttError, OSError."""
        is_v5 = self._use_v5
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._client(is_v5=is_v5))
            client.timeout = _TIMEOUT_S
            self._is_version_known = True
            self._trouble.filters.clear()
            connection = self._new_connection(client, is_v5=is_v5)
            self._note_connected(connection, is_v5=is_v5)
            try:
                await self._run_tasks(connection, client)
            finally:
                self.connected.clear()
                self.connecting_since = asyncio.get_running_loop().time()
                self._connection = None
                if self._has_will:  # the broker drops it when a client disconnects in order
                    await connection.publish_last(self._will, timeout_s=_LAST_PUBLISH_TIMEOUT_S)
                client.timeout = _LAST_PUBLISH_TIMEOUT_S

    async def _run_tasks(self, connection: MqttConnection, client: MqttClient) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run(MqttConnection.wait_for_end, connection))
                tasks.create_task(connection.publish_queued())
                tasks.create_task(connection.subscriptions.retry_refused())
                tasks.create_task(connection.keep_checking())
                tasks.create_task(connection.keep_probing())
                for task in self._tasks:
                    tasks.create_task(self._run(task, connection))
        except* aiomqtt.MqttError as errors:
            if client.disconnect is not None and not isinstance(_decisive_error(errors), BrokerSilentError):
                self._disconnect = client.disconnect
                self._note_end(connection, client.disconnect)
            raise

    async def _run(self, task: ConnectionTask, connection: MqttConnection) -> None:
        """Run a task on the connection; with the end of any the connection is being ended, and that must end, too."""
        try:
            await task(connection)
        finally:
            if self.connecting_since is None:
                self.connecting_since = asyncio.get_running_loop().time()

    def _note_end(self, connection: MqttConnection, disconnect: Disconnect) -> None:
        """The broker, or the network, ended the connection: it may have been for what was sent."""
        self._was_subscribed = connection.subscriptions.are_answered
        poison = self._poison.note_end(connection.end(disconnect.code), asyncio.get_running_loop().time())
        if poison is not None:
            self._has_found_poison = True
            log.error("message_ends_connections", topic=poison.topic, size=poison.size, is_filter=poison.is_filter)

    def _new_connection(self, client: MqttClient, *, is_v5: bool) -> MqttConnection:
        return MqttConnection(
            client,
            is_v5=is_v5,
            trouble=self._trouble,
            poison=self._poison,
            unused_filter=f"{self._will.topic}/unused",
            echoed=self._will.topic,
            ack_timeout_s=self._account.ack_timeout_s,
            probe_every_s=self._account.probe_every_s,
        )

    def _note_connected(self, connection: MqttConnection, *, is_v5: bool) -> None:
        self._connection = connection
        self.disconnect_reason = None
        self.connections += 1
        self.connected.set()
        self.connecting_since = None
        log.info(
            "mqtt_connected",
            host=self._account.host,
            port=self._account.port,
            version=5 if is_v5 else 3,
            is_careful=self._poison.is_careful,
        )

    def _client(self, *, is_v5: bool) -> MqttClient:
        account, will = self._account, self._will
        of_version: dict[str, Any] = {"properties": connect_properties()} if is_v5 else {"clean_session": True}
        return MqttClient(
            account.host,
            account.port,
            incoming=self._incoming,
            username=account.username,
            password=account.password,
            identifier=account.client_id,
            keepalive=account.keepalive_s,
            tls_context=account.tls,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, self._is_will_retained) if self._has_will else None,
            protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
            clean_start=True if is_v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            timeout=_TIMEOUT_S if self._is_version_known else _FIRST_CONNECT_TIMEOUT_S,
            max_inflight_messages=_MAX_INFLIGHT,
            # Nagle's algorithm would delay small packets by 40 ms each.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **of_version,
        )

    def _note_failure(self, error: BaseException, lasted_s: float) -> float:
        """Take note why there is no connection; returns the pause before the next attempt, in seconds.

        Where the broker supports another version of MQTT, or refuses the will, the next attempt heeds that.
        """
        if self._disconnect is not None:
            reason, code = str(self._disconnect), self._disconnect.code
            kind = EndKind.LOST_SUBSCRIBED if self._was_subscribed else EndKind.LOST
        else:
            reason = str(error) or type(error).__name__
            code = code_number(getattr(error, "rc", None)) or None if isinstance(error, aiomqtt.MqttError) else None
            is_down = isinstance(error.__context__, ConnectionRefusedError)
            kind = EndKind.NOBODY_LISTENS if is_down else EndKind.REFUSED
            self._heed_refusal(error, code)
        end = SessionEnd(kind, lasted_s, code, is_explained=self._has_found_poison)
        pause_s = self._ends.pause_s(end, asyncio.get_running_loop().time())
        if code == TAKEN_OVER:
            reason += "; another client uses this gateway's client id"
        elif self._ends.may_be_taken_over:
            reason += ", again and again; another client may be using this gateway's client id"
        if not isinstance(error, aiomqtt.MqttError | OSError):
            log.error("mqtt_failed", reason=reason, exc_info=error)
        if reason != self.disconnect_reason:  # logged once per reason, not once per attempt
            log.warning("mqtt_disconnected", host=self._account.host, port=self._account.port, reason=reason, code=code)
        self.disconnect_reason = self.last_disconnect = reason
        return pause_s

    def _heed_refusal(self, error: BaseException, code: int | None) -> None:
        """Change what CONNECT says: its version of MQTT, its will."""
        # A broker of MQTT 3.1.1 only refuses version 5, or does not answer at all.
        has_no_answer = not self._is_version_known and isinstance(error.__context__, TimeoutError)
        if has_no_answer or (self._use_v5 and code in _UNSUPPORTED_VERSION):
            self._use_v5 = not self._use_v5
        if code == _RETAIN_REFUSED:
            self._is_will_retained = False
        if code in _WILL_REFUSED and self._has_will:
            self._has_will = False
            log.error("mqtt_will_refused", code=code)


def _decisive_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that says most: the judgement that the broker is silent before what follows from it."""
    errors = list(_leaves(group))
    return next((error for error in errors if isinstance(error, BrokerSilentError)), errors[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
