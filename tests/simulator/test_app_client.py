"""The simulated app client stops when it is left, whatever it is doing at that moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gatewayd.simulator.app_client import AppClient

CONNECT, SUBSCRIBE = 0x10, 0x80  # first bytes of MQTT 3.1.1 packets, without their flags
CONNACK = bytes((0x20, 2, 0, 0))


class ScriptedBroker:
    """Accepts every client and every subscription; `answered` is set when it has answered the packet `type_`."""

    def __init__(self, type_: int) -> None:
        self._type = type_
        self.answered = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedBroker"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                if kind == CONNECT:
                    writer.write(CONNACK)
                elif kind & 0xF0 == SUBSCRIBE:
                    writer.write(bytes((0x90, 3, *body[:2], 1)))
                if kind & 0xF0 == self._type:
                    self.answered.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("packet", [CONNECT, SUBSCRIBE], ids=["connecting", "subscribing"])
async def test_client_stops_when_cancelled_while_connecting(packet: int, steps: int) -> None:
    """At whatever step of the event loop it is cancelled after the broker's answer."""

    async def use() -> None:
        async with AppClient.connect("127.0.0.1", broker.port, "anna", "a-secret"):
            await asyncio.Event().wait()

    async with ScriptedBroker(packet).serving() as broker:
        using = asyncio.create_task(use())
        await broker.answered.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        using.cancel()
        _, still_running = await asyncio.wait({using}, timeout=3)
        assert not still_running
