"""A serial line, over TCP, on which bytes arrive that the coordinator did not send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class RudeLine:
    """Passes bytes between hosts and the coordinator at `url`; `insert` puts others among those to the host."""

    def __init__(self, url: str) -> None:
        self._far = urlsplit(url)
        self._host: asyncio.StreamWriter | None = None
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["RudeLine"]:
        line = cls(url)
        server = await asyncio.start_server(line._serve, "127.0.0.1")
        line.url = f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield line
        finally:
            server.close()
            if line._host is not None:
                line._host.close()

    async def insert(self, data: bytes) -> None:
        """Send `data` to the host; waits for a host where there is none."""
        while self._host is None or self._host.is_closing():
            await asyncio.sleep(0.05)
        with suppress(ConnectionError):
            self._host.write(data)
            await self._host.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
        self._host = writer
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pump(reader, far_writer))
            tasks.create_task(_pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.close()
