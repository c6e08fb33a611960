"""The air, and the radio in it: python-dbusmock keeps NetworkManager's objects, and this plays what a radio would do.

The mock answers a call at once; what comes after it (a scan that finishes, an activation that goes its way or fails)
is played from here, through the mock's own control interface.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from gatewayd.provisioning.networkmanager.security import ApFlags, Security

NM = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
SETTINGS = f"{MANAGER}/Settings"
MOCK = "org.freedesktop.DBus.Mock"
DEVICE = f"{NM}.Device"
WIRELESS = f"{NM}.Device.Wireless"
ACTIVE = f"{NM}.Connection.Active"
PROPERTIES = "org.freedesktop.DBus.Properties"

CONNECTION = f"{NM}.Settings.Connection"

DISCONNECTED, PREPARE, CONFIG, NEED_AUTH, IP_CONFIG, IP_CHECK, ACTIVATED, FAILED = 30, 40, 50, 60, 70, 80, 100, 120
DEACTIVATED = 4  # of an active connection

Step = tuple[int, int]
"""A state of the device, and the reason for it."""

TO_AUTHENTICATION: tuple[Step, ...] = ((PREPARE, 0), (CONFIG, 0), (NEED_AUTH, 0))
JOINS: tuple[Step, ...] = (*TO_AUTHENTICATION, (CONFIG, 0), (IP_CONFIG, 0), (ACTIVATED, 0))

# What the template lacks. A profile is made as the template makes one; the activation's way is played from here.
ADD_AND_ACTIVATE = """
path = self.SettingsAddConnection(args[0])
objects[path].AddMethod('org.freedesktop.NetworkManager.Settings.Connection', 'Update2', 'a{sa{sv}}ua{sv}', 'a{sv}',
    "self.Set('org.freedesktop.NetworkManager.Settings.Connection', 'Unsaved', dbus.Boolean(False)); ret = {}")
objects[path].props['org.freedesktop.NetworkManager.Settings.Connection']['Unsaved'] = args[3]['persist'] != 'disk'
active = path.replace('Settings', 'ActiveConnection') + 'x'
self.AddObject(active, 'org.freedesktop.NetworkManager.Connection.Active', {
    'Devices': dbus.Array([args[1]], signature='o'), 'Connection': dbus.ObjectPath(path), 'State': dbus.UInt32(1),
    'SpecificObject': args[2], 'Id': args[0]['connection']['id'], 'Uuid': args[0]['connection']['uuid'],
    'Type': '802-11-wireless', 'Default': True, 'Default6': False, 'Vpn': False, 'Master': dbus.ObjectPath('/')}, [])
actives = self.Get('org.freedesktop.NetworkManager', 'ActiveConnections')
actives = dbus.Array([*actives, dbus.ObjectPath(active)], signature='o')
self.Set('org.freedesktop.NetworkManager', 'ActiveConnections', actives)
self.object_manager_emit_added(active)
ret = (dbus.ObjectPath(path), dbus.ObjectPath(active), {})
"""
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
    way: tuple[Step, ...] = JOINS  # what becomes of an activation
    address: str = "192.168.7.20"
    stepped: asyncio.Event = field(default_factory=asyncio.Event)  # the way has been gone to its end
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)  # each activation, from the call to the end of its way

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
        await self.call(
            MANAGER, MOCK, "AddMethod", "sssss",
            NM, "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}", "ooa{sv}", ADD_AND_ACTIVATE,
        )  # fmt: skip

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
        for name, value in properties.items():
            await self.call(path, PROPERTIES, "Set", "ssv", interface, name, value)

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

    async def add_former(self, ssid: str) -> str:
        """A network that is joined already, with its profile; gives the profile's path."""
        spot = await self.add_network(ssid.encode(), rsn=WPA2)
        settings = {
            "connection": {"id": Variant("s", ssid), "type": Variant("s", "802-11-wireless")},
            "802-11-wireless": {"ssid": Variant("ay", ssid.encode()), "mode": Variant("s", "infrastructure")},
        }
        profile: str = await self.call(SETTINGS, f"{NM}.Settings", "AddConnection", "a{sa{sv}}", settings)
        await self.call(MANAGER, MOCK, "AddActiveConnection", "assssu", [self.device], profile, spot, "former", 2)
        await self.give_address("192.168.1.9")
        return profile

    async def give_address(self, address: str) -> None:
        """The network's DHCP server answers."""
        path = f"{MANAGER}/IP4Config/{address.replace('.', '_')}"
        data = Variant("aa{sv}", [{"address": Variant("s", address), "prefix": Variant("u", 24)}])
        with suppress(MockRefusedError):  # it is there from before
            await self.call(
                MANAGER, MOCK, "AddObject", "ssa{sv}a(ssss)", path, f"{NM}.IP4Config", {"AddressData": data}, []
            )
        await self.set(self.device, DEVICE, Ip4Config=Variant("o", path))

    async def to_state(self, state: int, reason: int) -> None:
        """The device goes to a state, and says so."""
        before = await self.get(self.device, DEVICE, "State")
        at = Variant("(uu)", [state, reason])
        await self.set(self.device, DEVICE, State=Variant("u", state), StateReason=at)
        arguments = [Variant("u", number) for number in (state, before, reason)]
        await self.call(self.device, MOCK, "EmitSignal", "sssav", DEVICE, "StateChanged", "uuu", arguments)

    async def profiles(self) -> list[str]:
        """The paths of all profiles."""
        found: list[str] = await self.call(SETTINGS, f"{NM}.Settings", "ListConnections")
        return found

    async def settings(self, profile: str) -> dict[str, dict[str, Any]]:
        """A profile's settings."""
        found: dict[str, dict[str, Any]] = await self.call(profile, CONNECTION, "GetSettings")
        return found

    async def joined(self) -> str | None:
        """The profile that the device is on."""
        active = await self.get(self.device, DEVICE, "ActiveConnection")
        return None if active == "/" else str(await self.get(active, ACTIVE, "Connection"))

    async def _activate(self) -> None:
        """The activation that was asked for last goes its way."""
        actives = await self.get(MANAGER, NM, "ActiveConnections")
        if not actives:
            return  # the request was refused
        active = actives[-1]
        if len(actives) > 1:
            await self.to_state(110, 60)  # the network of before is left
            await self.to_state(30, 60)
        await self.set(self.device, DEVICE, ActiveConnection=Variant("o", active))
        for state, reason in self.way:
            if state == ACTIVATED:
                await self.give_address(self.address)
                await self.set(active, ACTIVE, State=Variant("u", 2))
            await self.to_state(state, reason)
            if state == FAILED:
                with suppress(MockRefusedError):  # the part under test may have been quicker to drop the profile
                    await self._fail(active)
        self.stepped.set()

    async def _fail(self, active: str) -> None:
        """As NetworkManager does it: the connection has ended, the device is free, what was volatile is dropped."""
        profile = await self.get(active, ACTIVE, "Connection")
        ended = [Variant("u", DEACTIVATED), Variant("u", 3)]
        await self.call(active, MOCK, "EmitSignal", "sssav", ACTIVE, "StateChanged", "uu", ended)
        if await self.get(profile, CONNECTION, "Unsaved"):
            await self.call(profile, CONNECTION, "Delete")

    async def play(self, member: str, args: list[Any]) -> None:
        """What a radio does when NetworkManager is asked for something."""
        if member == "RequestScan" and self.scans:
            await self.finish_scan()
        elif member == "AddAndActivateConnection2":
            started = time.perf_counter()
            await self._activate()
            self.took_s.append(time.perf_counter() - started)
        elif member == "ActivateConnection":
            await self.give_address("192.168.1.9")


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
        playing = asyncio.create_task(_play(air, called))
        yield air
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing  # and let the test see what went wrong in here
    finally:
        bus.disconnect()


async def _play(air: Air, called: asyncio.Queue[tuple[str, list[Any]]]) -> None:
    while True:
        member, args = await called.get()
        air.calls.append((member, args))
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
