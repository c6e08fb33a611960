"""A connection to the system bus for one question to NetworkManager: calls, and the signals that are waited for.

It lasts as long as the question: nothing wakes the board in between, and nothing has to be mended when the bus or
NetworkManager restarts. What the calls mean is left to the callers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from dbus_fast import BusType, DBusFastError, Message, MessageType
from dbus_fast.aio import MessageBus

from gatewayd.model.errors import GatewayError

NM: Final = "org.freedesktop.NetworkManager"
_DBUS: Final = "org.freedesktop.DBus"

_ABSENT: Final = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
_ABSENT_PREFIXES: Final = ("org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")
_DENIED_ENDINGS: Final = (".AccessDenied", ".PermissionDenied")  # each part of NetworkManager has its own


class BusError(GatewayError):
    """NetworkManager could not be asked: no bus, no NetworkManager, no answer, or no permission."""


class DeniedError(BusError):
    """NetworkManager does not permit this to this user."""


class DbusCallError(GatewayError):
    """NetworkManager answered with an error. `name` is the error's D-Bus name, `text` what it says."""

    def __init__(self, place: str, name: str, text: str) -> None:
        super().__init__(f"{place}: {name.removeprefix(NM + '.')}: {text}")
        self.name = name
        self.text = text


@dataclass(frozen=True, slots=True)
class SignalMatch:
    """Which signals to hear: a member of an interface, of one object or of all."""

    interface: str
    member: str
    path: str | None = None

    def rule(self) -> str:
        """As D-Bus spells it."""
        path = f",path='{self.path}'" if self.path else ""
        return f"type='signal',sender='{NM}',interface='{self.interface}',member='{self.member}'{path}"


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal of NetworkManager's."""

    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


class Signals:
    """What was heard since the listening began, in order."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Signal | BusError] = asyncio.Queue()

    async def next(self) -> Signal:
        """Wait for one. Raises BusError when there will be no more, because NetworkManager or the bus has gone."""
        heard = await self._heard.get()
        if isinstance(heard, BusError):
            raise heard
        return heard

    def hear(self, message: Message) -> None:
        """A message handler of the connection's."""
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged" and message.interface == _DBUS:
            name, _, owner = message.body
            if name == NM and not owner:
                self._heard.put_nowait(BusError("NetworkManager stopped"))
            return
        signal = Signal(message.path or "", message.interface or "", message.member or "", tuple(message.body))
        self._heard.put_nowait(signal)

    def end(self, _: object) -> None:
        """The connection broke."""
        self._heard.put_nowait(BusError("the system bus closed the connection"))


class Bus:
    """An open connection."""

    def __init__(self, connection: MessageBus, closing: "asyncio.Future[None]", timeout_s: float) -> None:
        self._connection = connection
        self._closing = closing
        self._timeout_s = timeout_s

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: object) -> list[Any]:
        """Call a method of NetworkManager's. Raises BusError, RefusedError."""
        return await self._call(NM, path, interface, member, signature, body)

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str, body: tuple[object, ...]
    ) -> list[Any]:
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                # A call that a closing bus leaves unanswered comes back with nothing.
                reply: Message | None = await self._connection.call(message)
        except TimeoutError:
            raise BusError(f"{member}: no answer from NetworkManager within {self._timeout_s:g} s") from None
        except (DBusFastError, OSError, EOFError) as error:
            raise BusError(f"{member}: the system bus closed the connection") from error
        if reply is None:
            raise BusError(f"{member}: the system bus closed the connection")
        if reply.message_type is MessageType.ERROR:
            _refuse(member, reply)
        return list(reply.body)

    @asynccontextmanager
    async def listening(self, *matches: SignalMatch) -> AsyncIterator[Signals]:
        """Hear these signals, and when NetworkManager or the bus goes."""
        signals = Signals()
        self._connection.add_message_handler(signals.hear)
        self._closing.add_done_callback(signals.end)
        own = f"type='signal',sender='{_DBUS}',interface='{_DBUS}',member='NameOwnerChanged',arg0='{NM}'"
        try:
            for rule in (own, *(match.rule() for match in matches)):
                await self._call(_DBUS, "/org/freedesktop/DBus", _DBUS, "AddMatch", "s", (rule,))
            yield signals
        finally:
            self._connection.remove_message_handler(signals.hear)
            self._closing.remove_done_callback(signals.end)


def _refuse(member: str, reply: Message) -> NoReturn:
    name = reply.error_name or "an error without a name"
    text = str(reply.body[0]) if reply.body else ""
    if name in _ABSENT or name.startswith(_ABSENT_PREFIXES):
        raise BusError("NetworkManager is not running")
    if name.endswith(_DENIED_ENDINGS):
        raise DeniedError(f"{member}: NetworkManager does not permit it to this user; is the polkit rule installed?")
    raise DbusCallError(member, name, text)


@asynccontextmanager
async def open_bus(address: str | None, *, timeout_s: float) -> AsyncIterator[Bus]:
    """Connect to the bus at `address`, by default the system's. Raises BusError."""
    try:
        connection = MessageBus(address, BusType.SYSTEM, auth_timeout=timeout_s)
        async with asyncio.timeout(timeout_s):
            await connection.connect()
    except (DBusFastError, OSError, EOFError, TimeoutError) as error:
        raise BusError(f"the system bus at {address or 'its usual place'} cannot be reached: {error}") from error
    closing = asyncio.ensure_future(connection.wait_for_disconnect())  # type: ignore[no-untyped-call]  # theirs
    try:
        yield Bus(connection, closing, timeout_s)
    finally:
        connection.disconnect()
        await asyncio.wait((closing,), timeout=timeout_s)
        if closing.done():
            closing.exception()  # looked at: that the other end closed first was said to whoever listened
        else:
            closing.cancel()
