"""Calls on a real NetworkManager as a join makes them, on a veth in place of a radio."""

import asyncio
from uuid import UUID, uuid4

from dbus_fast import Variant

from gatewayd.provisioning.networkmanager.bus import NM, Bus, SignalMatch, Signals
from gatewayd.provisioning.networkmanager.objects import DEVICE, MANAGER, NetworkManagerObjects, NmDeviceState
from gatewayd.provisioning.networkmanager.security import Settings

IN_MEMORY, BLOCK_AUTOCONNECT = 0x2, 0x20


async def add(bus: Bus, settings: Settings) -> str:
    """As a profile in memory; gives its path."""
    flags = IN_MEMORY | BLOCK_AUTOCONNECT
    member, signature = "AddConnection2", "a{sa{sv}}ua{sv}"
    path, _ = await bus.call(f"{MANAGER}/Settings", f"{NM}.Settings", member, signature, settings, flags, {})
    return str(path)


async def veth(bus: Bus) -> str:
    """The path of our end of it."""
    path = (await NetworkManagerObjects.read(bus)).path_of("gw0")
    assert path is not None
    return path


async def states(bus: Bus) -> SignalMatch:
    """Its states alone: NetworkManager brings loopback up as well, when it likes."""
    return SignalMatch(DEVICE, "StateChanged", await veth(bus))


async def activate_wired(bus: Bus, ipv4: dict[str, Variant]) -> tuple[UUID, str]:
    """A volatile profile on the veth, activated as a Wi-Fi one would be; gives its uuid and path."""
    uuid = uuid4()
    connection = {"id": Variant("s", "wired"), "type": Variant("s", "802-3-ethernet"), "uuid": Variant("s", str(uuid))}
    settings = {"connection": connection, "ipv4": ipv4}
    options = {"persist": Variant("s", "volatile")}
    member, signature = "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}"
    path, _, _ = await bus.call(MANAGER, NM, member, signature, settings, await veth(bus), "/", options)
    return uuid, str(path)


async def until(signals: Signals, state: NmDeviceState) -> int:
    """Wait for the device to come to a state; gives the reason."""
    async with asyncio.timeout(20):
        while True:
            signal = await signals.next()
            if signal.interface == DEVICE and signal.body[0] == state:
                return int(signal.body[2])
