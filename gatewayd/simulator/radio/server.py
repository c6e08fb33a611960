"""Who carries the bytes: one host at a time, over TCP or a pseudo-terminal. What they mean is `session`'s."""

import asyncio
import contextlib
import os
import pty
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from gatewayd.simulator.radio.session import HostSession

if TYPE_CHECKING:
    from gatewayd.simulator.radio.simulated_network import SimulatedNetwork


class _TcpHost(asyncio.Protocol):
    """A TCP connection. A new one takes the place of the one before, as serial servers do it."""

    def __init__(self, network: "SimulatedNetwork", present: set["_TcpHost"]) -> None:
        self._network = network
        self._present = present
        self._transport: asyncio.Transport | None = None
        self._session: HostSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for other in list(self._present):
            other.hang_up()
        self._present.add(self)
        self._session = HostSession(self._network, self._transport.write, self._transport.abort)
        self._session.begin(announce=self._network.announces_reset)

    def data_received(self, data: bytes) -> None:
        if self._session is not None:
            self._session.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._present.discard(self)
        if self._session is not None:
            self._session.end()

    def hang_up(self) -> None:
        self._present.discard(self)
        if self._session is not None:
            self._session.end()
            self._session = None
        if self._transport is not None:
            self._transport.abort()


class _ListeningPort:
    """A listening port that can be closed and opened again at once: the kernel queues who comes before `run` is up."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        self._factory = factory
        self._opened = asyncio.Event()
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._adopting = False
        self.address = (host, port)
        self.admit()

    def admit(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(self.address)
            self.address = self._listener.getsockname()[:2]
            self._opened.set()

    def refuse(self) -> None:
        self._opened.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
        elif self._listener is not None and not self._adopting:
            self._listener.close()
        self._listener = None

    async def run(self) -> None:
        while True:
            await self._opened.wait()
            self._opened.clear()
            if self._listener is not None:
                await self._adopt(self._listener)

    async def _adopt(self, listener: socket.socket) -> None:
        self._adopting = True
        try:
            server = await asyncio.get_running_loop().create_server(self._factory, sock=listener)
        finally:
            self._adopting = False
        if self._listener is listener:
            self._server = server
        else:
            server.close()


@asynccontextmanager
async def serve_tcp(network: "SimulatedNetwork", host: str, port: int) -> AsyncIterator[str]:
    present: set[_TcpHost] = set()
    door = _ListeningPort(lambda: _TcpHost(network, present), host, port)
    network.faults.doors.append(door)
    listening = asyncio.create_task(door.run())
    try:
        yield f"socket://{door.address[0]}:{door.address[1]}"
    finally:
        network.faults.doors.remove(door)
        listening.cancel()
        door.refuse()
        for one in list(present):
            one.hang_up()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


@asynccontextmanager
async def serve_pty(network: "SimulatedNetwork") -> AsyncIterator[str]:
    """A pseudo-terminal says nothing of who opens it, so its host must begin with a reset, as on real ports."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    loop = asyncio.get_running_loop()

    def write(data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a serial line loses it just so
            os.write(ours, data)

    session = HostSession(network, write, lambda: None)

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            session.received(os.read(ours, 4096))

    session.begin(announce=False)
    loop.add_reader(ours, read)
    try:
        yield os.ttyname(theirs)
    finally:
        loop.remove_reader(ours)
        session.end()
        os.close(ours)
        os.close(theirs)
