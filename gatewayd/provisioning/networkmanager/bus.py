"""A connection to the system bus for one task with NetworkManager: method calls, and signals while the task lasts.

A connection per task costs nothing between tasks and needs no reconnecting when the bus or NetworkManager restarts.
Which calls to make, and what the answers mean, is left to the callers.
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
_DBUS_PATH: Final = "/org/freedesktop/DBus"

_NOT_RUNNING: Final = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
_NOT_RUNNING_PREFIXES: Final = ("org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")
_DENIED_SUFFIXES: Final = (
    ".AccessDenied",
    ".PermissionDenied",
)  # each NetworkManager interface has an error of its own


class BusError(GatewayError):
    """NetworkManager cannot be reached: no bus, no NetworkManager, no answer, or no permission."""


class DeniedError(BusError):
    """NetworkManager denies this call to this user."""


class DbusCallError(GatewayError):
    """NetworkManager answered with an error: `name` is its D-Bus name, `text` its message."""

    def __init__(self, member: str, name: str, text: str) -> None:
        super().__init__(f"{member}: {name.removeprefix(NM + '.')}: {text}")
        self.name = name
        self.text = text


@dataclass(frozen=True, slots=True)
class SignalMatch:
    """Which of NetworkManager's signals to receive: `member` of `interface`, from one object or (None) from all."""

    interface: str
    member: str
    path: str | None = None

    def rule(self) -> str:
        """The match rule, for D-Bus' AddMatch."""
        path = f",path='{self.path}'" if self.path else ""
        return f"type='signal',sender='{NM}',interface='{self.interface}',member='{self.member}'{path}"


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal from NetworkManager."""

    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


class Signals:
    """The signals received since the subscription began, in order."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[Signal | BusError] = asyncio.Queue()

    async def next(self) -> Signal:
        """Wait for the next signal. Raises BusError where NetworkManager or the bus is gone and none will come."""
        received = await self._received.get()
        if isinstance(received, BusError):
            raise received
        return received

    def on_message(self, message: Message) -> None:
        """Queue a signal; dbus-fast calls this for every message of the connection."""
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged" and message.interface == _DBUS:
            name, _, owner = message.body
            if name == NM and not owner:
                self._received.put_nowait(BusError("NetworkManager stopped"))
            return
        signal = Signal(message.path or "", message.interface or "", message.member or "", tuple(message.body))
        self._received.put_nowait(signal)

    def on_disconnect(self, _: object) -> None:
        """End the sequence; called when the connection closes."""
        self._received.put_nowait(BusError("the system bus closed the connection"))


class Bus:
    """An open connection. `disconnected` is done once it has closed."""

    def __init__(self, connection: MessageBus, disconnected: "asyncio.Future[None]", timeout_s: float) -> None:
        self._connection = connection
        self._disconnected = disconnected
        self._timeout_s = timeout_s

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: object) -> list[Any]:
        """Call a method of NetworkManager and return what it answers. Raises BusError, DbusCallError."""
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
                # dbus-fast returns None for a call that is unanswered when the connection closes.
                reply: Message | None = await self._connection.call(message)
        except TimeoutError:
            raise BusError(f"{member}: no answer from NetworkManager within {self._timeout_s:g} s") from None
        except (DBusFastError, OSError, EOFError) as error:
            raise BusError(f"{member}: the system bus closed the connection") from error
        if reply is None:
            raise BusError(f"{member}: the system bus closed the connection")
        if reply.message_type is MessageType.ERROR:
            _raise_error(member, reply)
        return list(reply.body)

    @asynccontextmanager
    async def subscribed(self, *matches: SignalMatch) -> AsyncIterator[Signals]:
        """Receive the signals in `matches` for the length of the block; they end where NetworkManager or the bus does.

        Raises BusError, DbusCallError.
        """
        signals = Signals()
        self._connection.add_message_handler(signals.on_message)
        self._disconnected.add_done_callback(signals.on_disconnect)
        owner_changed = f"type='signal',sender='{_DBUS}',interface='{_DBUS}',member='NameOwnerChanged',arg0='{NM}'"
        try:
            for rule in (owner_changed, *(match.rule() for match in matches)):
                await self._call(_DBUS, _DBUS_PATH, _DBUS, "AddMatch", "s", (rule,))
            yield signals
        finally:
            self._connection.remove_message_handler(signals.on_message)
            self._disconnected.remove_done_callback(signals.on_disconnect)


def _raise_error(member: str, reply: Message) -> NoReturn:
    name = reply.error_name or "an error without a name"
    text = str(reply.body[0]) if reply.body else ""
    if name in _NOT_RUNNING or name.startswith(_NOT_RUNNING_PREFIXES):
        raise BusError("NetworkManager is not running")
    if name.endswith(_DENIED_SUFFIXES):
        raise DeniedError(f"{member}: NetworkManager does not permit it to this user; is the polkit rule installed?")
    raise DbusCallError(member, name, text)


@asynccontextmanager
async def open_bus(address: str | None, *, timeout_s: float) -> AsyncIterator[Bus]:
    """Connect to the bus at `address` (None: the system bus) for the length of the block.

    `timeout_s` is for connecting, and for each call. Raises BusError.
    """
    try:
        connection = MessageBus(address, BusType.SYSTEM, auth_timeout=timeout_s)
        async with asyncio.timeout(timeout_s):
            await connection.connect()
    except (DBusFastError, OSError, EOFError, TimeoutError) as error:
        raise BusError(f"the system bus at {address or 'its usual place'} cannot be reached: {error}") from error
    disconnected = asyncio.ensure_future(connection.wait_for_disconnect())  # type: ignore[no-untyped-call]  # theirs
    try:
        yield Bus(connection, disconnected, timeout_s)
    finally:
        connection.disconnect()
        await asyncio.wait((disconnected,), timeout=timeout_s)
        if disconnected.done():
            disconnected.exception()  # retrieved, so that asyncio does not log it; subscribers were told already
        else:
            disconnected.cancel()
