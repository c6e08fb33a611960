"""The air, and the radio in it: python-dbusmock keeps NetworkManager's objects, and this plays what a radio would do.

The mock answers a call at once; what comes after it (a scan that finishes, an activation that goes its way or fails)
is played from here, through the mock's own control interface.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from gatewayd.provisioning.networkmanager.words import ApFlags, Security

NM = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
SETTINGS = f"{MANAGER}/Settings"
MOCK = "org.freedesktop.DBus.Mock"
DEVICE = f"{NM}.Device"
WIRELESS = f"{NM}.Device.Wireless"
ACTIVE = f"{NM}.Connection.Active"
PROPERTIES = "org.freedesktop.DBus.Properties"

DISCONNECTED, ACTIVATED = 30, 100
WPA2 = Security.PSK | Security.PAIR_CCMP | Security.GROUP_CCMP
WPA1 = Security.PSK | Security.PAIR_TKIP | Security.GROUP_TKIP


class MockRefusedError(Exception):
    """The mock answered a control call with an error."""


@dataclass
class Air:
    """The control of the mock."""

    bus: MessageBus
    device: str = ""
    scans: bool = True  # whether a scan that is asked for finishes
    scan_time: int = 1000
    access_points: int = 0
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: object) -> Any:
        """Any call to the mock; gives the answer, plain."""
        message = Message(
            destination=NM, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        reply = await asyncio.wait_for(self.bus.call(message), 10)
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise MockRefusedError(f"{member}: {reply.error_name}: {reply.body}")
        return unpack_variants(reply.body[0]) if reply.body else None

    async def add_radio(self, interface: str = "wlan0", state: int = DISCONNECTED) -> None:
        """A Wi-Fi device."""
        self.device = await self.call(MANAGER, MOCK, "AddWiFiDevice", "ssi", interface, interface, state)
        await self.add_properties(self.device, WIRELESS, LastScan=Variant("x", -1))
        await self.add_properties(self.device, DEVICE, Ip4Config=Variant("o", "/"))

    async def add_ethernet(self, interface: str) -> None:
        """A device that is not Wi-Fi."""
        await self.call(MANAGER, MOCK, "AddEthernetDevice", "ssi", interface, interface, ACTIVATED)

    async def add_network(
        self,
        ssid: bytes,
        *,
        strength: int = 50,
        wpa: int = 0,
        rsn: int = 0,
        is_private: bool | None = None,
        mode: int = 2,
    ) -> str:
        """An access point that is heard; gives its path."""
        self.access_points += 1
        number = self.access_points
        path: str = await self.call(
            self.device, MOCK, "AddAccessPoint", "ssssuuuyu",
            self.device, f"ap{number}", "", f"00:11:22:33:44:{number:02x}", mode, 2437, 54000, strength, 0,
        )  # fmt: skip
        privacy = bool(wpa | rsn) if is_private is None else is_private
        await self.set(
            path, f"{NM}.AccessPoint",
            Ssid=Variant("ay", ssid),
            Flags=Variant("u", int(ApFlags.PRIVACY) if privacy else 0),
            WpaFlags=Variant("u", int(wpa)),
            RsnFlags=Variant("u", int(rsn)),
        )  # fmt: skip
        return path

    async def set(self, path: str, interface: str, **properties: Variant) -> None:
        """Change properties, with the signal that goes with it."""
        await self.call(path, MOCK, "UpdateProperties", "sa{sv}", interface, properties)

    async def add_properties(self, path: str, interface: str, **properties: Variant) -> None:
        """Add properties that the template leaves out."""
        await self.call(path, MOCK, "AddProperties", "sa{sv}", interface, properties)

    async def get(self, path: str, interface: str, name: str) -> Any:
        """A property's value."""
        return await self.call(path, PROPERTIES, "Get", "ss", interface, name)

    async def refuse(self, path: str, interface: str, member: str, signature: str, error: str) -> None:
        """Let a method answer with an error from now on."""
        code = f"raise dbus.exceptions.DBusException('not now', name={error!r})"
        await self.call(path, MOCK, "AddMethod", "sssss", interface, member, signature, "", code)

    async def finish_scan(self) -> None:
        """The radio has listened on every channel."""
        self.scan_time += 1
        await self.set(self.device, WIRELESS, LastScan=Variant("x", self.scan_time))

    async def play(self, member: str, args: list[Any]) -> None:
        """What a radio does when NetworkManager is asked for something."""
        if member == "RequestScan" and self.scans:
            await self.finish_scan()


@asynccontextmanager
async def breathing(address: str) -> AsyncIterator[Air]:
    """Connect to the mock, once it is there, and play the radio's part until the block ends."""
    bus = await MessageBus(address, BusType.SYSTEM).connect()
    try:
        await _until_there(bus)
        await _match(bus, f"type='signal',interface='{MOCK}',member='MethodCalled'")
        air = Air(bus)
        called: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()
        bus.add_message_handler(_into(called))
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(_play(air, called))
            yield air
            playing.cancel()
    finally:
        bus.disconnect()


async def _play(air: Air, called: asyncio.Queue[tuple[str, list[Any]]]) -> None:
    while True:
        member, args = await called.get()
        air.calls.append((member, args))
        with suppress(MockRefusedError):
            await air.play(member, args)


def _into(called: asyncio.Queue[tuple[str, list[Any]]]) -> Callable[[Message], None]:
    def handler(message: Message) -> None:
        if message.member == "MethodCalled":
            member, args = message.body
            called.put_nowait((member, unpack_variants(args)))

    return handler


async def _until_there(bus: MessageBus) -> None:
    there = asyncio.Event()

    def handler(message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == NM and message.body[2]:
            there.set()

    bus.add_message_handler(handler)
    await _match(bus, f"type='signal',member='NameOwnerChanged',arg0='{NM}'")
    if not await _dbus(bus, "NameHasOwner", NM):
        await asyncio.wait_for(there.wait(), 20)
    bus.remove_message_handler(handler)


async def _match(bus: MessageBus, rule: str) -> None:
    await _dbus(bus, "AddMatch", rule)


async def _dbus(bus: MessageBus, member: str, argument: str) -> Any:
    name = "org.freedesktop.DBus"
    reply = await bus.call(
        Message(
            destination=name,
            path="/org/freedesktop/DBus",
            interface=name,
            member=member,
            signature="s",
            body=[argument],
        )
    )
    assert reply is not None
    assert reply.message_type is MessageType.METHOD_RETURN, reply.body
    return reply.body[0] if reply.body else None
