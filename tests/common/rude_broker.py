"""A broker that accepts one gateway and then sends whatever bytes a test wants: what no real broker does."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_V5 = 5
_UNSUPPORTED_VERSION = 1


def packet(kind: int, content: bytes) -> bytes:
    """A packet of MQTT: type and flags, the length of `content`, and that."""
    length, encoded = len(content), b""
    while True:
        length, digit = divmod(length, 128)
        encoded += bytes((digit | (0x80 if length else 0),))
        if not length:
            return bytes((kind,)) + encoded + content


def publication(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0, MQTT 3.1.1."""
    return packet(0x30, struct.pack("!H", len(topic)) + topic + payload)


class RudeBroker:
    """Speaks as much of MQTT 3.1.1 as a gateway needs to be online."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.connections = 0
        self.published: list[bytes] = []
        """The content of each PUBLISH of the gateway on its newest connection."""
        self._writer: asyncio.StreamWriter | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator["RudeBroker"]:
        broker = cls()
        server = await asyncio.start_server(broker._serve, broker.host)
        broker.port = server.sockets[0].getsockname()[1]
        try:
            yield broker
        finally:
            server.close()
            if broker._writer is not None:
                broker._writer.close()

    async def send(self, data: bytes, *, times: int = 1) -> None:
        """Send `data` so many times, or until the gateway breaks the connection."""
        assert self._writer is not None
        with suppress(ConnectionError):
            for _ in range(times):
                self._writer.write(data)
                await self._writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._answer(writer, *await _read_packet(reader))
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, head: int, content: bytes) -> None:
        match head >> 4:
            case 1 if content[6] == _V5:
                writer.write(packet(0x20, bytes((0, _UNSUPPORTED_VERSION))))
            case 1:
                self._writer, self.connections = writer, self.connections + 1
                self.published.clear()
                writer.write(packet(0x20, b"\0\0"))
            case 3:
                self.published.append(content)
                if head & 0b110:
                    start = 2 + int.from_bytes(content[:2])
                    writer.write(packet(0x40, content[start : start + 2]))
            case 8:
                writer.write(packet(0x90, content[:2] + b"\1" * _filters(content[2:])))
            case 10:
                writer.write(packet(0xB0, content[:2]))
            case 12:
                writer.write(packet(0xD0, b""))
            case _:
                writer.close()


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return head, await reader.readexactly(length)


def _filters(content: bytes) -> int:
    count = 0
    while content:
        content, count = content[2 + int.from_bytes(content[:2]) + 1 :], count + 1
    return count
