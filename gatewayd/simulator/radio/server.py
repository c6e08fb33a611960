"""Who carries the bytes: one host at a time, over TCP or a pseudo-terminal, to the coordinator and back.

Framing is `ash`'s, commands are `ncp`'s; here the two meet the event loop, and the line's faults happen.
"""

import asyncio
import contextlib
import os
import pty
import socket
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from gatewayd.simulator.radio.agenda import Entry
from gatewayd.simulator.radio.ash import RESET_EXTERNAL, RESET_SOFTWARE, Ash, Event, FrameReader, HostReset
from gatewayd.simulator.radio.ncp import Ticket

if TYPE_CHECKING:
    from gatewayd.simulator.radio.house import House


class Session:
    """One connected host: ASH state, and the frames between it and the coordinator."""

    def __init__(self, house: "House", write: Callable[[bytes], None], abort: Callable[[], None]) -> None:
        self._house = house
        self._faults = house.faults
        self._ncp = house.ncp
        self._agenda = house.agenda
        self._write = write
        self._abort = abort
        self._ash = Ash()
        self._reader = FrameReader()
        self._tickets: deque[tuple[int, Ticket]] = deque()
        self._timer: Entry | None = None
        self._receiving = False
        self._ready_at = 0.0

    def begin(self, *, announce: bool) -> None:
        """The host has connected; `announce` sends RSTACK without being asked."""
        self._ncp.host = self
        self._faults.lines.append(self)
        if announce:
            self.reset(RESET_EXTERNAL)

    def end(self) -> None:
        """The host has gone."""
        if self in self._faults.lines:
            self._faults.lines.remove(self)
        if self._ncp.host is self:
            self._ncp.host = None
        if self._timer is not None:
            self._timer.cancel()
        self._write = lambda data: None

    def received(self, data: bytes) -> None:
        now = self._agenda.now()
        self._receiving = True
        try:
            for carried in self._reader.feed(data):
                for frame in self._faults.inbound(carried):
                    for event in self._ash.receive(frame, now):
                        self._handle(event, now)
            while self._tickets and self._tickets[0][0] <= self._ash.acknowledged:
                self._tickets.popleft()[1].confirm()
        finally:
            self._receiving = False
        self._flush()

    def callback(self, frame: bytes) -> None:
        """Send an unasked frame; a host that has not reset the line yet does not get it."""
        if self._ash.connected:
            self._ash.send(frame, self._agenda.now())
            if not self._receiving:
                self._flush()

    # What faults do to it.

    def reset(self, reason: int) -> None:
        self._ncp.power_cycle()
        self._tickets.clear()
        self._ash.reset(reason)
        self._flush()

    def fail(self, code: int) -> None:
        self._ash.fail(code)
        self._flush()

    def cut(self) -> None:
        self._abort()

    def _handle(self, event: Event, now: float) -> None:
        if isinstance(event, HostReset):
            self.reset(RESET_SOFTWARE)
            return
        response = self._ncp.handle(event.data)
        if response is not None:
            self._tickets.append((self._ash.send(response, now), self._ncp.ticket))
        self._ncp.release()

    def _flush(self) -> None:
        frames = [out for frame in self._ash.frames_to_send() for out in self._faults.outbound(frame)]
        if frames:
            self._send(b"".join(frames))
        self._arm()

    def _send(self, data: bytes) -> None:
        if not self._faults.line_delay_s and self._ready_at <= self._agenda.now():
            self._write(data)
            return
        self._ready_at = max(self._ready_at, self._agenda.now() + self._faults.line_delay_s)
        self._agenda.at(self._ready_at, lambda: self._write(data))

    def _arm(self) -> None:
        """Keep one agenda entry for retransmission; it moves only when it comes up too early."""
        if self._timer is None and self._ash.deadline is not None:
            self._timer = self._agenda.at(self._ash.deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._ash.tick(self._agenda.now())
        self._flush()


class _TcpHost(asyncio.Protocol):
    """A TCP connection. A new one takes the place of the one before, as serial servers do it."""

    def __init__(self, house: "House", present: set["_TcpHost"]) -> None:
        self._house = house
        self._present = present
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for other in list(self._present):
            other.hang_up()
        self._present.add(self)
        self._session = Session(self._house, self._transport.write, self._transport.abort)
        self._session.begin(announce=self._house.announces_reset)

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


class _Door:
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
async def serve_tcp(house: "House", host: str, port: int) -> AsyncIterator[str]:
    present: set[_TcpHost] = set()
    door = _Door(lambda: _TcpHost(house, present), host, port)
    house.faults.doors.append(door)
    listening = asyncio.create_task(door.run())
    try:
        yield f"socket://{door.address[0]}:{door.address[1]}"
    finally:
        house.faults.doors.remove(door)
        listening.cancel()
        door.refuse()
        for one in list(present):
            one.hang_up()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


@asynccontextmanager
async def serve_pty(house: "House") -> AsyncIterator[str]:
    """A pseudo-terminal says nothing of who opens it, so its host must begin with a reset, as on real ports."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    loop = asyncio.get_running_loop()

    def write(data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a serial line loses it just so
            os.write(ours, data)

    session = Session(house, write, lambda: None)

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
