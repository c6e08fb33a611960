"""A proxy between an MQTT client and a real broker that misbehaves as a test tells it to.

It reads both versions of MQTT (3.1.1 and 5) as far as it must. What is not told to misbehave goes to the real broker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from gatewayd.simulator.broker import Broker

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14

PROPERTIES: Final = {
    "server_keep_alive": (0x13, 2),
    "receive_maximum": (0x21, 2),
    "maximum_qos": (0x24, 1),
    "retain_available": (0x25, 1),
    "maximum_packet_size": (0x27, 4),
    "wildcard_subscription_available": (0x28, 1),
}
"""Properties of MQTT 5's CONNACK: identifier, and bytes of the value."""


@dataclass(frozen=True, slots=True)
class SentPublish:
    """A PUBLISH of the client. `size` counts the whole packet, `at` is the loop's clock."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    retain: bool
    id: int
    size: int
    at: float


@dataclass
class Rudeness:
    """What the proxy does wrong. The default is nothing."""

    withholds_puback: Callable[[SentPublish], bool] = lambda _message: False
    """True for a PUBLISH whose PUBACK never comes."""
    puback_code: Callable[[SentPublish], int | None] = lambda _message: None
    """The reason code with which the proxy itself answers a PUBLISH, which the broker then does not get."""
    suback_code: Callable[[str], int | None] = lambda _filter: None
    """The code that a filter is answered with instead of the broker's."""
    withholds_suback: bool = False
    suback_codes_kept: int | None = None
    """So many codes a SUBACK has, whatever was asked."""
    cuts_at: Callable[[SentPublish], bool] = lambda _message: False
    """True for a PUBLISH at which the connection is closed; MQTT 5 with `cut_code`."""
    cuts_at_filter: Callable[[str], bool] = lambda _filter: False
    cut_code: int | None = None
    connack: dict[str, int] = field(default_factory=dict)
    """Properties of CONNACK (MQTT 5) by the names of PROPERTIES, instead of the broker's."""
    connack_code: int | None = None
    """CONNECT is refused with this code."""
    refuses_mqtt_5: bool = False
    refuses_retained_will: bool = False
    """A retained will is refused with MQTT 5's code 154."""
    holds_back: bool = False
    """What the broker sends arrives only once this is False again."""
    delivers_nothing: bool = False
    """No message of the broker arrives."""
    pings_only: bool = False
    """Only PINGREQ is answered, once a connection stands."""
    reads_nothing: bool = False
    """Nothing more is read from the client."""
    delay_s: float = 0.0
    """PUBACK and SUBACK come so much later."""
    duplicates: bool = False
    """PUBACK and SUBACK come twice."""
    reorders: bool = False
    """Two PUBACKs each change places; one alone comes late."""
    closes_after_s: float | None = None
    """Every connection is closed so soon after CONNECT."""
    garbage: bytes = b""
    """Sent after CONNACK."""


class RudeProxy:
    """The proxy. `sent` is what clients have published, `connects` when they connected (the loop's clock)."""

    def __init__(self, broker: Broker) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.rude = Rudeness()
        self.sent: list[SentPublish] = []
        self.subscribed: list[str] = []
        self.connects: list[float] = []
        self.received = 0
        """Packets of clients."""
        self.most_unacknowledged = 0
        """Messages of QoS 1 without PUBACK at once."""
        self._broker = broker
        self._connections: set[_Connection] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, broker: Broker) -> AsyncIterator["RudeProxy"]:
        """A proxy before `broker`, on a port of its own."""
        rude = cls(broker)
        server = await asyncio.start_server(rude._serve, rude.host, 0)
        rude.port = server.sockets[0].getsockname()[1]
        try:
            yield rude
        finally:
            server.close()
            for connection in tuple(rude._connections):
                connection.close()
            await server.wait_closed()

    def cut(self) -> None:
        """Close every connection without a word."""
        for connection in tuple(self._connections):
            connection.close()

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT with `code` (MQTT 5 has that) on every connection, and close it."""
        for connection in tuple(self._connections):
            connection.disconnect(code)

    @property
    def open_connections(self) -> int:
        """Connections of clients that stand."""
        return len(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await connection.run(self._broker.host, self._broker.port)
        finally:
            self._connections.discard(connection)
            connection.close()


class _Connection:
    def __init__(self, owner: RudeProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._owner = owner
        self._reader = reader
        self._writer = writer
        self._broker: asyncio.StreamWriter | None = None
        self._is_v5 = False
        self._published: dict[int, SentPublish] = {}  # not acknowledged
        self._asked: dict[int, list[str]] = {}
        self._withheld: set[int] = set()
        self._swapped: bytes | None = None
        self._later: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        for handle in self._later:
            handle.cancel()
        self._writer.close()
        if self._broker is not None:
            self._broker.close()

    def disconnect(self, code: int) -> None:
        if self._is_v5:
            self._writer.write(packet(DISCONNECT, 0, bytes((code, 0))))
        self.close()

    async def run(self, host: str, port: int) -> None:
        """Serve the client until either side closes."""
        reader, self._broker = await asyncio.open_connection(host, port)
        tasks = [asyncio.create_task(self._from_client()), asyncio.create_task(self._from_broker(reader))]
        if (closes_after_s := self._owner.rude.closes_after_s) is not None:
            self._later.add(asyncio.get_running_loop().call_later(closes_after_s, self.close))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ---- from the client

    async def _from_client(self) -> None:
        assert self._broker is not None
        while True:
            head, body = await _read_packet(self._reader)
            self._owner.received += 1
            if self._owner.rude.reads_nothing:
                await asyncio.Event().wait()
            if self._keeps_from_broker(head >> 4, head, body):
                continue
            self._broker.write(packet(head >> 4, head & 0x0F, body))

    def _keeps_from_broker(self, kind: int, head: int, body: bytes) -> bool:
        """Deal with a packet; True where the broker is not to have it."""
        rude = self._owner.rude
        if kind == CONNECT:
            return self._connect(body)
        if rude.pings_only:
            if kind == PINGREQ:
                self._writer.write(bytes((0xD0, 0)))
            return True
        if kind == PUBLISH:
            return self._publish(head, body)
        if kind == SUBSCRIBE:
            return self._subscribe(body)
        return False

    def _connect(self, body: bytes) -> bool:
        rude = self._owner.rude
        self._is_v5 = body[6] == 5  # after the name of the protocol
        self._owner.connects.append(asyncio.get_running_loop().time())
        code = rude.connack_code
        if self._is_v5 and rude.refuses_mqtt_5:
            code = 132
        elif rude.refuses_retained_will and body[7] & 0x20:
            code = 154
        if code is None:
            return False
        self._writer.write(packet(CONNACK, 0, bytes((0, code, 0) if self._is_v5 else (0, code))))
        self.close()
        return True

    def _publish(self, head: int, body: bytes) -> bool:
        message = self._decode(head, body)
        rude = self._owner.rude
        self._owner.sent.append(message)
        if rude.cuts_at(message):
            if rude.cut_code is None:
                self.close()
            else:
                self.disconnect(rude.cut_code)
            return True
        if not message.qos:
            return False
        self._published[message.id] = message
        self._owner.most_unacknowledged = max(self._owner.most_unacknowledged, len(self._published))
        if rude.withholds_puback(message):
            self._withheld.add(message.id)
        elif (code := rude.puback_code(message)) is not None:
            self._answer(PUBACK, message.id.to_bytes(2, "big") + (bytes((code, 0)) if self._is_v5 else b""))
            return True
        return False

    def _decode(self, head: int, body: bytes) -> SentPublish:
        length = int.from_bytes(body[:2], "big")
        rest, qos, id_ = body[2 + length :], head >> 1 & 3, 0
        if qos:
            id_, rest = int.from_bytes(rest[:2], "big"), rest[2:]
        if self._is_v5:
            properties, taken = _varint(rest)
            rest = rest[taken + properties :]
        size = len(packet(PUBLISH, 0, body))
        at = asyncio.get_running_loop().time()
        return SentPublish(body[2 : 2 + length].decode(), rest, qos, bool(head & 1), id_, size, at)

    def _subscribe(self, body: bytes) -> bool:
        rest, filters = body[2:], []
        if self._is_v5:
            properties, taken = _varint(rest)
            rest = rest[taken + properties :]
        while rest:
            length = int.from_bytes(rest[:2], "big")
            filters.append(rest[2 : 2 + length].decode())
            rest = rest[3 + length :]
        self._owner.subscribed += filters
        self._asked[int.from_bytes(body[:2], "big")] = filters
        if any(self._owner.rude.cuts_at_filter(name) for name in filters):
            self.close()
            return True
        return False

    # ---- from the broker

    async def _from_broker(self, reader: asyncio.StreamReader) -> None:
        while True:
            head, body = await _read_packet(reader)
            kind = head >> 4
            while self._owner.rude.holds_back:
                await asyncio.sleep(0.01)
            if self._owner.rude.pings_only and kind != CONNACK:
                continue
            if kind == PUBLISH and self._owner.rude.delivers_nothing:
                continue
            if kind == CONNACK:
                self._writer.write(packet(kind, 0, self._connack(body)))
                self._writer.write(self._owner.rude.garbage)
            elif kind == PUBACK:
                if int.from_bytes(body[:2], "big") not in self._withheld:
                    self._answer(kind, body)
            elif kind == SUBACK:
                if self._owner.rude.withholds_suback:
                    continue
                self._answer(kind, self._suback(body))
            else:
                self._writer.write(packet(kind, head & 0x0F, body))

    def _connack(self, body: bytes) -> bytes:
        given = self._owner.rude.connack
        if not self._is_v5 or not given or body[1]:
            return body
        properties = b"".join(
            bytes((PROPERTIES[name][0],)) + value.to_bytes(PROPERTIES[name][1], "big") for name, value in given.items()
        )
        return body[:2] + bytes((len(properties),)) + properties

    def _suback(self, body: bytes) -> bytes:
        rude = self._owner.rude
        filters = self._asked.pop(int.from_bytes(body[:2], "big"))
        codes = body[-len(filters) :]
        changed = bytes(
            own if (code := rude.suback_code(name)) is None else code for name, own in zip(filters, codes, strict=True)
        )
        return body[: -len(filters)] + changed[: rude.suback_codes_kept]

    def _answer(self, kind: int, body: bytes) -> None:
        """Send an acknowledgement: late, twice or in the wrong order, where that is told."""
        rude, loop = self._owner.rude, asyncio.get_running_loop()
        if kind == PUBACK:
            self._published.pop(int.from_bytes(body[:2], "big"), None)
        data = packet(kind, 0, body) * (2 if rude.duplicates else 1)
        if rude.reorders and kind == PUBACK:
            if self._swapped is None:
                self._swapped = data
                self._later.add(loop.call_later(0.2, self._send_swapped))
                return
            data, self._swapped = data + self._swapped, None
        if rude.delay_s:
            self._later.add(loop.call_later(rude.delay_s, self._writer.write, data))
        else:
            self._writer.write(data)

    def _send_swapped(self) -> None:
        if self._swapped is not None:
            self._writer.write(self._swapped)
            self._swapped = None


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """An MQTT packet."""
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes((kind << 4 | flags,)) + bytes(length) + body


def _varint(data: bytes) -> tuple[int, int]:
    """A variable byte integer at the start of `data`, and its length."""
    value = 0
    for place in range(4):
        value |= (data[place] & 0x7F) << 7 * place
        if not data[place] & 0x80:
            return value, place + 1
    raise ValueError("a variable byte integer of more than four bytes")


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    (head,) = await reader.readexactly(1)
    length = b""
    while not length or length[-1] & 0x80:
        length += await reader.readexactly(1)
    return head, await reader.readexactly(_varint(length)[0])
