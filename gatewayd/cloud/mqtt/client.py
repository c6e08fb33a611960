"""aiomqtt's client, and what it leaves out: reason codes of PUBACK and DISCONNECT, the limits of CONNACK (MQTT 5), and
a bound for what has come and waits.

It overrides callbacks of aiomqtt 2.5 that are not public: `setup.cfg` holds the version, and the tests of refused
messages fail where a later one has changed them.
"""

import asyncio
import math
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import aiomqtt
import structlog
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.client import MQTTMessage as PahoMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.cloud.mqtt.incoming import IncomingLimit, IncomingMessages
from gatewayd.trusted_time import boottime_s

log = structlog.get_logger()

FIRST_FAILURE: Final = 0x80
"""The first reason code that means failure, in every packet of MQTT 5 and in SUBACK of 3.1.1."""

MAX_PACKET_BYTES: Final = 256 * 1024
"""The longest packet that is read: over 64 KiB a request is refused, and up to here answered."""

_SUCCESS: Final = 0
_MAX_ECHOES: Final = 256  # are remembered, the newest

_WITH_CODE: Final = (
    PacketTypes.CONNACK,
    PacketTypes.PUBACK,
    PacketTypes.SUBACK,
    PacketTypes.UNSUBACK,
    PacketTypes.DISCONNECT,
)
"""The packets of a broker that carry reason codes, as far as they come here."""


def _name_every_code() -> None:
    """Let paho read any reason code in any packet.

    It reads those alone that MQTT 5 has for a packet, and breaks the connection at others: Mosquitto sends PUBACK with
    149 (packet too large), which MQTT 5 has for CONNACK and DISCONNECT.
    """
    named: dict[int, dict[str, list[int]]] = {}
    for code in range(256):
        names = {name: list(packets) for name, packets in ReasonCode.names.get(code, {}).items()}
        unnamed = [kind for kind in _WITH_CODE if not any(kind in packets for packets in names.values())]
        name = next(iter(names), "") if code >= FIRST_FAILURE else ""  # a failure means the same in every packet
        name = name or f"Reason code {code}"
        named[code] = {**names, name: [*names.get(name, ()), *unnamed]}
    ReasonCode.names = named


_name_every_code()


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    reduced: bytes | None = None
    """What is published instead of `payload` where that is too large for the broker; None: nothing."""

    @property
    def forms(self) -> "tuple[MqttMessage, ...]":
        """The whole message, then the reduced one where that is smaller."""
        if self.reduced is None or len(self.reduced) >= len(self.payload):
            return (self,)
        return self, replace(self, payload=self.reduced, reduced=None)


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What the broker allows, as its CONNACK says (MQTT 5 §3.2.2.3); the defaults are the protocol's."""

    receive_maximum: int = 65_535
    """Messages of QoS 1 that may wait for their PUBACK at once."""
    maximum_qos: int = 2
    is_retain_available: bool = True
    maximum_packet_size: int | None = None
    """Bytes of a whole packet."""
    server_keepalive_s: int | None = None
    are_wildcards_available: bool = True
    """Whether a topic filter may have wildcards."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """How a connection ended. `code` is the reason code of the broker's DISCONNECT; None where it sent none."""

    code: int | None
    name: str

    def __str__(self) -> str:
        return self.name if self.code is None else f"the broker ended the connection: {self.name} (code {self.code})"


def limits_of(properties: Properties | None) -> BrokerLimits:
    """The limits in the properties of a CONNACK; what a broker may not say (0) counts as not said."""
    names = (
        "ReceiveMaximum",
        "MaximumQoS",
        "RetainAvailable",
        "MaximumPacketSize",
        "ServerKeepAlive",
        "WildcardSubscriptionAvailable",
    )
    receive_maximum, qos, retain, size, keepalive, wildcards = (getattr(properties, name, None) for name in names)
    default = BrokerLimits()
    return BrokerLimits(
        receive_maximum=receive_maximum or default.receive_maximum,
        maximum_qos=default.maximum_qos if qos is None else qos,
        is_retain_available=retain != 0,
        maximum_packet_size=size or None,
        server_keepalive_s=keepalive,
        are_wildcards_available=wildcards != 0,
    )


def connect_properties() -> Properties:
    """MQTT 5: the broker discards what is longer (3.1.2.11.4)."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return properties


def packet_size(message: MqttMessage, *, is_v5: bool) -> int:
    """The bytes of a PUBLISH packet."""
    body = 2 + len(message.topic.encode(errors="replace")) + len(message.payload)
    body += (2 if message.qos else 0) + (1 if is_v5 else 0)  # packet identifier, length of no properties
    length_bytes = 1 + (body >= 1 << 7) + (body >= 1 << 14) + (body >= 1 << 21)
    return 1 + length_bytes + body


def code_number(code: Any) -> int:
    """The number of a reason code of paho, in either version of MQTT."""
    return int(getattr(code, "value", code) or 0)


class ArrivedMessage(aiomqtt.Message):
    """A message, and a moment after which the broker sent it (`boottime_s`)."""

    sent_after: float = -math.inf


class MqttClient(aiomqtt.Client):
    """A connection to the broker while it is entered, as its base. `limits` are the broker's, `incoming` is ours.

    Its messages come without those whose echo is expected: MQTT 3.1.1 has no "no local", the broker sends us ours back,
    and a lock's notice 授权失效 would be taken for the owner's word.
    """

    def __init__(self, hostname: str, port: int, *, incoming: IncomingLimit, **settings: Any) -> None:
        self._echoes: deque[int] = deque(maxlen=_MAX_ECHOES)
        queue: Any = partial(IncomingMessages, limit=incoming, is_own=self._is_own)
        super().__init__(hostname, port, queue_type=queue, **settings)
        self.limits = BrokerLimits()
        self._disconnect: Disconnect | None = None
        self._acknowledgements: dict[int, asyncio.Future[int]] = {}
        self._probes: dict[int, asyncio.Future[None]] = {}
        self._sent_at: dict[int, float] = {}  # of each packet that waits for a PUBACK, and of each probe (boottime_s)
        self.proven_at = -math.inf
        """When the newest packet was sent that the broker has answered (`boottime_s`). What comes after that answer on
        the connection, the broker sent after that moment; MQTT has no other way to tell how long a message was under
        way.
        """
        self._heard = asyncio.Event()
        self.heard_at = -math.inf
        """When the broker last delivered a message, our own too (the loop's clock)."""
        self._limit_packets()

    async def __aenter__(self) -> Self:
        self.proven_at = boottime_s()  # the session is a clean one
        try:
            return await super().__aenter__()
        except aiomqtt.MqttError:
            self.close()  # the base leaves the socket open where no CONNACK came
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, traceback)
        except aiomqtt.MqttError:
            # The broker does not read the DISCONNECT. To raise would replace what ends the connection: a cancellation.
            if isinstance(connected := self._client.socket(), socket.socket):
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Send DISCONNECT and close the socket, without waiting for either."""
        self._client.disconnect()

    def send(self, message: MqttMessage) -> "asyncio.Future[int] | None":
        """Send a PUBLISH. Returns None where it is written and needs no answer, else the future reason code of its
        PUBACK (0 for QoS 0 once it is written).

        Raises ValueError where its topic or payload cannot be in a packet, aiomqtt.MqttError without a connection.
        """
        now = boottime_s()
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if info.rc != _SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc)
        if info.is_published():
            return None
        if message.qos:
            self._sent_at[info.mid] = now
        return self._acknowledgements.setdefault(info.mid, asyncio.get_running_loop().create_future())

    async def probe(self, unused_filter: str, *, timeout_s: float | None) -> None:
        """End the subscription of a filter that has none, and wait for the answer. Raises aiomqtt.MqttError."""
        now = boottime_s()
        result, mid = self._client.unsubscribe(unused_filter)
        if result != _SUCCESS or mid is None:
            raise aiomqtt.MqttCodeError(result)
        self._sent_at[mid] = now
        answer = self._probes[mid] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({answer}, timeout=timeout_s)
        if not done:
            raise aiomqtt.MqttError(f"no answer within {timeout_s} s")

    async def hears(self, *, since: float, timeout_s: float) -> bool:
        """Whether the broker has delivered any message, one of our own too, from the moment `since` (the loop's clock)
        until `timeout_s` from now; returns at once where it has.
        """
        self._heard.clear()
        if self.heard_at < since:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._heard.wait()
        return self.heard_at >= since

    def expect_echo(self, message: MqttMessage) -> None:
        """The broker will send this message back."""
        self._echoes.append(hash((message.topic, message.payload)))

    @property
    def disconnect(self) -> Disconnect | None:
        """How the connection ended; None while it stands."""
        return self._disconnect

    async def wait_disconnected(self) -> Disconnect:
        """How the connection ended, once it has."""
        await asyncio.wait({self._disconnected})
        error = self._take_disconnect_error()
        if self._disconnect is not None:
            return self._disconnect
        self.close()  # the base leaves the socket open where the broker sent what cannot be read
        return Disconnect(None, f"the broker sent what cannot be read: {type(error).__name__} {error}")

    def _is_own(self, message: aiomqtt.Message) -> bool:
        return bool(self._echoes) and hash((message.topic.value, message.payload)) in self._echoes

    def _limit_packets(self) -> None:
        """Break the connection before a packet of over MAX_PACKET_BYTES is read: MQTT 3.1.1 has no limit to ask for.

        paho has no option for it, but asks its socket for the whole rest of a packet at once.
        """
        receive = self._client._sock_recv  # noqa: SLF001

        def receive_bounded(size: int) -> bytes:
            if size > MAX_PACKET_BYTES:
                log.error("mqtt_packet_too_large", size=size, at_most=MAX_PACKET_BYTES)
                raise ConnectionError(f"a packet of {size} bytes; at most {MAX_PACKET_BYTES} are read")
            return receive(size)

        vars(self._client)["_sock_recv"] = receive_bounded

    def _note_answered(self, mid: int) -> None:
        self.proven_at = max(self.proven_at, self._sent_at.pop(mid, -math.inf))

    def _take_disconnect_error(self) -> BaseException | None:
        """What the base gave as the end of the connection; taken, so that asyncio does not log it as lost."""
        ended = self._disconnected
        return ended.exception() if ended.done() and not ended.cancelled() else None

    # paho opens, fills and closes its socket on any thread, within one callback too. The base has the loop watch the
    # descriptor a moment later, when it may be closed, or another socket's.

    def _on_socket_open(self, _client: PahoClient, _userdata: Any, sock: Any) -> None:
        def watch() -> None:
            if sock.fileno() >= 0:
                self._loop.add_reader(sock.fileno(), self._read)
                self._misc_task = self._loop.create_task(self._misc_loop())

        self._loop.call_soon_threadsafe(watch)

    def _on_socket_register_write(self, _client: PahoClient, _userdata: Any, sock: Any) -> None:
        def watch() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), self._write)

        self._loop.call_soon_threadsafe(watch)

    def _on_socket_unregister_write(self, _client: PahoClient, _userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())

    def _read(self) -> None:
        try:
            self._client.loop_read()
            while (connected := self._client.socket()) is not None and getattr(connected, "pending", int)() > 0:
                self._client.loop_read()  # TLS: what has been decrypted already wakes no reader
        except Exception as error:  # noqa: BLE001  (what the broker sent cannot be read)
            self._end_with(error)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001
            self._end_with(error)

    def _end_with(self, error: Exception) -> None:
        if not self._disconnected.done():
            self._disconnected.set_exception(error)

    def _on_connect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.limits = limits_of(properties)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if self._disconnect is None:
            if flags.is_disconnect_packet_from_server:
                self._disconnect = Disconnect(code_number(reason_code), str(reason_code))
            else:
                is_silent = str(reason_code) == "Keep alive timeout"
                self._disconnect = Disconnect(None, "no answer to a ping" if is_silent else "the connection was lost")
        if self._connected.cancelled():
            return  # nobody waits for it any more, and the base reads its exception
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        self._take_disconnect_error()

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._note_answered(mid)
        acknowledgement = self._acknowledgements.pop(mid, None)
        if acknowledgement is not None and not acknowledgement.done():
            acknowledgement.set_result(code_number(reason_code))
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_message(self, client: PahoClient, userdata: Any, message: PahoMessage) -> None:
        arrived = ArrivedMessage._from_paho_message(message)  # noqa: SLF001
        arrived.sent_after = self.proven_at
        self.heard_at = self._loop.time()
        self._heard.set()
        self._queue.put_nowait(arrived)  # it has no bound of its own that could be full

    def _on_subscribe(
        self,
        client: PahoClient,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        if mid in self._pending_subscribes:  # not one that came too late, or to nothing that was asked
            super()._on_subscribe(client, userdata, mid, reason_codes, properties)

    def _on_unsubscribe(
        self,
        client: PahoClient,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        self._note_answered(mid)
        if (probe := self._probes.pop(mid, None)) is not None:
            probe.set_result(None)
        elif mid in self._pending_unsubscribes:  # likewise
            super()._on_unsubscribe(client, userdata, mid, reason_codes, properties)
