"""A simulated radio for python-dbusmock's NetworkManager: the mock has the objects, this changes them after a call.

The mock answers each call at once. What NetworkManager does after that (a scan ends, an activation passes through its
states) is simulated here, through the mock's control interface.
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

from gatewayd.provisioning.networkmanager.failure_reasons import NmDeviceStateReason
from gatewayd.provisioning.networkmanager.objects import NmDeviceState
from gatewayd.provisioning.networkmanager.security import ApFlags, ApMode, ApSecurityFlags

NM = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
SETTINGS = f"{MANAGER}/Settings"
MOCK = "org.freedesktop.DBus.Mock"
DEVICE = f"{NM}.Device"
WIRELESS = f"{NM}.Device.Wireless"
ACTIVE = f"{NM}.Connection.Active"
PROPERTIES = "org.freedesktop.DBus.Properties"

CONNECTION = f"{NM}.Settings.Connection"

DISCONNECTED = NmDeviceState.DISCONNECTED
PREPARE = NmDeviceState.PREPARE
CONFIG = NmDeviceState.CONFIG
NEED_AUTH = NmDeviceState.NEED_AUTH
IP_CONFIG = NmDeviceState.IP_CONFIG
IP_CHECK = NmDeviceState.IP_CHECK
ACTIVATED = NmDeviceState.ACTIVATED
DEACTIVATING = NmDeviceState.DEACTIVATING
FAILED = NmDeviceState.FAILED

ACTIVE_CONNECTION_ACTIVATED, ACTIVE_CONNECTION_DEACTIVATED = 2, 4  # NMActiveConnectionState
DEVICE_DISCONNECTED = 3  # NMActiveConnectionStateReason

Step = tuple[int, int]
"""A state of the device (NMDeviceState), and the reason for it (NMDeviceStateReason)."""

TO_AUTHENTICATION: tuple[Step, ...] = ((PREPARE, 0), (CONFIG, 0), (NEED_AUTH, 0))
SUCCESSFUL_JOIN: tuple[Step, ...] = (*TO_AUTHENTICATION, (CONFIG, 0), (IP_CONFIG, 0), (ACTIVATED, 0))

FORMER_ADDRESS = "192.168.1.9"

# Missing in the mock's template. Creates profile and active connection as the template does; `MockRadio` then simulates
# the activation.
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
WPA2 = ApSecurityFlags.PSK | ApSecurityFlags.PAIR_CCMP | ApSecurityFlags.GROUP_CCMP
WPA1 = ApSecurityFlags.PSK | ApSecurityFlags.PAIR_TKIP | ApSecurityFlags.GROUP_TKIP


class MockRefusedError(Exception):
    """The mock answered a control call with an error."""


@dataclass
class MockRadio:
    """The mock's control interface, and what the radio does next; a test may change the fields at any time."""

    bus: MessageBus

    device: str = ""
    """The device's path."""

    finishes_scans: bool = True

    last_scan: int = 1000
    """In ms of CLOCK_BOOTTIME."""

    access_points: int = 0
    """How many were added."""

    activation_states: tuple[Step, ...] = SUCCESSFUL_JOIN
    """The states that an activation passes through."""

    address: str = "192.168.7.20"
    """What the network's DHCP server assigns."""

    activation_ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an activation has passed through `activation_states`."""

    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    """The calls that NetworkManager has received: member and arguments."""

    activation_times_s: list[float] = field(default_factory=list)
    """How long simulating each activation took."""

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: object) -> Any:
        """Call a method of the mock; returns the answer without D-Bus variants."""
        message = Message(
            destination=NM, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        reply = await asyncio.wait_for(self.bus.call(message), 10)
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise MockRefusedError(f"{member}: {reply.error_name}: {reply.body}")
        return unpack_variants(reply.body[0]) if reply.body else None

    async def add_radio(self, interface: str = "wlan0", state: int = DISCONNECTED) -> None:
        """Add a Wi-Fi device, which the other methods then act on."""
        self.device = await self.call(MANAGER, MOCK, "AddWiFiDevice", "ssi", interface, interface, state)
        await self.add_properties(self.device, WIRELESS, LastScan=Variant("x", -1))
        await self.add_properties(self.device, DEVICE, Ip4Config=Variant("o", "/"))
        await self.call(
            MANAGER, MOCK, "AddMethod", "sssss",
            NM, "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}", "ooa{sv}", ADD_AND_ACTIVATE,
        )  # fmt: skip

    async def add_ethernet(self, interface: str) -> None:
        """Add a device that is not Wi-Fi."""
        await self.call(MANAGER, MOCK, "AddEthernetDevice", "ssi", interface, interface, ACTIVATED)

    async def add_network(
        self,
        ssid: bytes,
        *,
        strength: int = 50,
        wpa: int = 0,
        rsn: int = 0,
        is_private: bool | None = None,
        mode: int = ApMode.INFRASTRUCTURE,
    ) -> str:
        """Add an access point in range; returns its path."""
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
        """Change properties; the mock sends PropertiesChanged."""
        for name, value in properties.items():
            await self.call(path, PROPERTIES, "Set", "ssv", interface, name, value)

    async def add_properties(self, path: str, interface: str, **properties: Variant) -> None:
        """Add properties that the template lacks."""
        await self.call(path, MOCK, "AddProperties", "sa{sv}", interface, properties)

    async def get(self, path: str, interface: str, name: str) -> Any:
        """The value of a property."""
        return await self.call(path, PROPERTIES, "Get", "ss", interface, name)

    async def refuse(self, path: str, interface: str, member: str, signature: str, error: str) -> None:
        """Make a method answer with the D-Bus error `error` from now on."""
        code = f"raise dbus.exceptions.DBusException('not now', name={error!r})"
        await self.call(path, MOCK, "AddMethod", "sssss", interface, member, signature, "", code)

    async def finish_scan(self) -> None:
        """End a scan."""
        self.last_scan += 1
        await self.set(self.device, WIRELESS, LastScan=Variant("x", self.last_scan))

    async def add_former(self, ssid: str) -> str:
        """Add a network that is joined already; returns the path of its profile."""
        access_point = await self.add_network(ssid.encode(), rsn=WPA2)
        settings = {
            "connection": {"id": Variant("s", ssid), "type": Variant("s", "802-11-wireless")},
            "802-11-wireless": {"ssid": Variant("ay", ssid.encode()), "mode": Variant("s", "infrastructure")},
        }
        profile: str = await self.call(SETTINGS, f"{NM}.Settings", "AddConnection", "a{sa{sv}}", settings)
        await self.call(
            MANAGER,
            MOCK,
            "AddActiveConnection",
            "assssu",
            [self.device],
            profile,
            access_point,
            "former",
            ACTIVE_CONNECTION_ACTIVATED,
        )
        await self.assign_address(FORMER_ADDRESS)
        return profile

    async def assign_address(self, address: str) -> None:
        """Assign an IPv4 address, as DHCP does."""
        path = f"{MANAGER}/IP4Config/{address.replace('.', '_')}"
        data = Variant("aa{sv}", [{"address": Variant("s", address), "prefix": Variant("u", 24)}])
        with suppress(MockRefusedError):  # added before
            await self.call(
                MANAGER, MOCK, "AddObject", "ssa{sv}a(ssss)", path, f"{NM}.IP4Config", {"AddressData": data}, []
            )
        await self.set(self.device, DEVICE, Ip4Config=Variant("o", path))

    async def to_state(self, state: int, reason: int) -> None:
        """Bring the device to `state` (NMDeviceState); the mock sends StateChanged."""
        before = await self.get(self.device, DEVICE, "State")
        state_reason = Variant("(uu)", [state, reason])
        await self.set(self.device, DEVICE, State=Variant("u", state), StateReason=state_reason)
        arguments = [Variant("u", number) for number in (state, before, reason)]
        await self.call(self.device, MOCK, "EmitSignal", "sssav", DEVICE, "StateChanged", "uuu", arguments)

    async def profiles(self) -> list[str]:
        """The paths of all profiles."""
        found: list[str] = await self.call(SETTINGS, f"{NM}.Settings", "ListConnections")
        return found

    async def settings(self, profile: str) -> dict[str, dict[str, Any]]:
        """The settings of a profile."""
        found: dict[str, dict[str, Any]] = await self.call(profile, CONNECTION, "GetSettings")
        return found

    async def active_profile(self) -> str | None:
        """The path of the profile that is active on the device; None where there is none."""
        active = await self.get(self.device, DEVICE, "ActiveConnection")
        return None if active == "/" else str(await self.get(active, ACTIVE, "Connection"))

    async def _activate(self) -> None:
        """Simulate the activation requested last."""
        actives = await self.get(MANAGER, NM, "ActiveConnections")
        if not actives:
            return  # the request was refused
        active = actives[-1]
        if len(actives) > 1:
            await self.to_state(DEACTIVATING, NmDeviceStateReason.NEW_ACTIVATION)  # leave the former network
            await self.to_state(DISCONNECTED, NmDeviceStateReason.NEW_ACTIVATION)
        await self.set(self.device, DEVICE, ActiveConnection=Variant("o", active))
        for state, reason in self.activation_states:
            if state == ACTIVATED:
                await self.assign_address(self.address)
                await self.set(active, ACTIVE, State=Variant("u", ACTIVE_CONNECTION_ACTIVATED))
            await self.to_state(state, reason)
            if state == FAILED:
                with suppress(MockRefusedError):  # the code under test may have deleted the profile already
                    await self._fail(active)
        self.activation_ended.set()

    async def _fail(self, active: str) -> None:
        """End the active connection, and drop its profile where that is volatile, as NetworkManager does."""
        profile = await self.get(active, ACTIVE, "Connection")
        ended = [Variant("u", ACTIVE_CONNECTION_DEACTIVATED), Variant("u", DEVICE_DISCONNECTED)]
        await self.call(active, MOCK, "EmitSignal", "sssav", ACTIVE, "StateChanged", "uu", ended)
        if await self.get(profile, CONNECTION, "Unsaved"):
            await self.call(profile, CONNECTION, "Delete")

    async def simulate(self, member: str, args: list[Any]) -> None:
        """Simulate what follows a call of NetworkManager."""
        if member == "RequestScan" and self.finishes_scans:
            await self.finish_scan()
        elif member == "AddAndActivateConnection2":
            started = time.perf_counter()
            await self._activate()
            self.activation_times_s.append(time.perf_counter() - started)
        elif member == "ActivateConnection":
            await self.assign_address(FORMER_ADDRESS)


@asynccontextmanager
async def mock_radio(address: str) -> AsyncIterator[MockRadio]:
    """Connect to the mock on the bus at `address`, once it runs, and simulate the radio for the length of the block."""
    bus = await MessageBus(address, BusType.SYSTEM).connect()
    try:
        await _wait_for_network_manager(bus)
        await _match(bus, f"type='signal',interface='{MOCK}',member='MethodCalled'")
        radio = MockRadio(bus)
        calls: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()
        bus.add_message_handler(_queue_calls(calls))
        simulation = asyncio.create_task(_simulate(radio, calls))
        yield radio
        simulation.cancel()
        with suppress(asyncio.CancelledError):
            await simulation  # raises what went wrong in it
    finally:
        bus.disconnect()


async def _simulate(radio: MockRadio, calls: asyncio.Queue[tuple[str, list[Any]]]) -> None:
    while True:
        member, arguments = await calls.get()
        radio.calls.append((member, arguments))
        await radio.simulate(member, arguments)


def _queue_calls(calls: asyncio.Queue[tuple[str, list[Any]]]) -> Callable[[Message], None]:
    def handler(message: Message) -> None:
        if message.member == "MethodCalled":
            member, arguments = message.body
            calls.put_nowait((member, unpack_variants(arguments)))

    return handler


async def _wait_for_network_manager(bus: MessageBus) -> None:
    has_owner = asyncio.Event()

    def handler(message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == NM and message.body[2]:
            has_owner.set()

    bus.add_message_handler(handler)
    await _match(bus, f"type='signal',member='NameOwnerChanged',arg0='{NM}'")
    if not await _dbus(bus, "NameHasOwner", NM):
        await asyncio.wait_for(has_owner.wait(), 20)
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
