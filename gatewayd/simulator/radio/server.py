"""Carries bytes between a coordinator and its host: over TCP, one host at a time, or over a pseudo-terminal.

What the bytes mean is `session`'s.
"""

import asyncio
import contextlib
import os
import pty
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, cast

from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.session import HostSession

_READ_SIZE = 4096


class NewSession(Protocol):
    """Makes the session of a host that has connected."""

    def __call__(self, *, write: Callable[[bytes], None], abort: Callable[[], None]) -> HostSession: ...


class _TcpHost(asyncio.Protocol):
    """A TCP connection. A new one takes the place of the one before, as serial servers do it."""

    def __init__(self, new_session: NewSession, hosts: set["_TcpHost"], *, announces_reset: bool) -> None:
        self._new_session = new_session
        self._hosts = hosts
        self._announces_reset = announces_reset
        self._transport: asyncio.Transport | None = None
        self._session: HostSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for other in list(self._hosts):
            other.disconnect()
        self._hosts.add(self)
        self._session = self._new_session(write=self._transport.write, abort=self._transport.abort)
        self._session.begin(announce=self._announces_reset)

    def data_received(self, data: bytes) -> None:
        if self._session is not None:
            self._session.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hosts.discard(self)
        if self._session is not None:
            self._session.end()

    def disconnect(self) -> None:
        """End the connection at once (RST)."""
        self._hosts.discard(self)
        if self._session is not None:
            self._session.end()
            self._session = None
        if self._transport is not None:
            self._transport.abort()


class _ListeningPort:
    """A port that can be closed and opened again at once: the kernel queues connections until `run` accepts them."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        self._factory = factory
        self._opened = asyncio.Event()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._creating_server = False
        self.address = (host, port)
        self.open()

    def open(self) -> None:
        if self._socket is None:
            self._socket = socket.create_server(self.address)
            self.address = self._socket.getsockname()[:2]
            self._opened.set()

    def close(self) -> None:
        self._opened.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
        elif self._socket is not None and not self._creating_server:
            self._socket.close()
        self._socket = None

    async def run(self) -> None:
        """Accept connections whenever the port is open, until cancelled."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            if self._socket is not None:
                await self._accept(self._socket)

    async def _accept(self, listening: socket.socket) -> None:
        self._creating_server = True
        try:
            server = await asyncio.get_running_loop().create_server(self._factory, sock=listening)
        finally:
            self._creating_server = False
        if self._socket is listening:
            self._server = server
        else:
            server.close()


@asynccontextmanager
async def serve_tcp(
    new_session: NewSession, faults: RadioFaults, host: str, port: int, *, announces_reset: bool
) -> AsyncIterator[str]:
    """Accept hosts on a TCP port (0: any that is free); yields "socket://host:port".

    `announces_reset`: RSTACK goes to each host that connects, without being asked for.
    """
    hosts: set[_TcpHost] = set()
    listener = _ListeningPort(lambda: _TcpHost(new_session, hosts, announces_reset=announces_reset), host, port)
    faults.listeners.append(listener)
    accepting = asyncio.create_task(listener.run())
    try:
        yield f"socket://{listener.address[0]}:{listener.address[1]}"
    finally:
        faults.listeners.remove(listener)
        accepting.cancel()
        listener.close()
        for one in list(hosts):
            one.disconnect()
        with contextlib.suppress(asyncio.CancelledError):
            await accepting


@asynccontextmanager
async def serve_pty(new_session: NewSession) -> AsyncIterator[str]:
    """Serve one host on a pseudo-terminal; yields its path.

    A pseudo-terminal does not tell when somebody opens it, so the host must begin with a reset, as on a serial port.
    """
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    loop = asyncio.get_running_loop()

    def write(data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # no host reads: a serial line loses the bytes too
            os.write(master, data)

    session = new_session(write=write, abort=lambda: None)

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            session.received(os.read(master, _READ_SIZE))

    session.begin(announce=False)
    loop.add_reader(master, read)
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        session.end()
        os.close(master)
        os.close(slave)
