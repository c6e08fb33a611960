"""The calls of a join, on a real NetworkManager with a veth in place of a radio."""

import asyncio
from enum import IntFlag
from uuid import UUID, uuid4

from dbus_fast import Variant

from gatewayd.provisioning.networkmanager.bus import NM, Bus, SignalMatch, Signals
from gatewayd.provisioning.networkmanager.objects import DEVICE, MANAGER, NetworkManagerObjects, NmDeviceState
from gatewayd.provisioning.networkmanager.security import Settings


class AddConnection2Flags(IntFlag):
    """NMSettingsAddConnection2Flags, those that are used."""

    IN_MEMORY = 0x2
    BLOCK_AUTOCONNECT = 0x20


async def add(bus: Bus, settings: Settings) -> str:
    """Add a profile in memory; returns its path."""
    flags = int(AddConnection2Flags.IN_MEMORY | AddConnection2Flags.BLOCK_AUTOCONNECT)
    member, signature = "AddConnection2", "a{sa{sv}}ua{sv}"
    path, _ = await bus.call(f"{MANAGER}/Settings", f"{NM}.Settings", member, signature, settings, flags, {})
    return str(path)


async def veth(bus: Bus) -> str:
    """The path of the device `gw0`."""
    path = (await NetworkManagerObjects.read(bus)).path_of("gw0")
    assert path is not None
    return path


async def states(bus: Bus) -> SignalMatch:
    """The state changes of the veth only: NetworkManager may activate loopback at any time."""
    return SignalMatch(DEVICE, "StateChanged", await veth(bus))


async def activate_wired(bus: Bus, ipv4: dict[str, Variant]) -> tuple[UUID, str]:
    """Activate a volatile profile on the veth as a join does; returns its uuid and path."""
    uuid = uuid4()
    connection = {"id": Variant("s", "wired"), "type": Variant("s", "802-3-ethernet"), "uuid": Variant("s", str(uuid))}
    settings = {"connection": connection, "ipv4": ipv4}
    options = {"persist": Variant("s", "volatile")}
    member, signature = "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}"
    path, _, _ = await bus.call(MANAGER, NM, member, signature, settings, await veth(bus), "/", options)
    return uuid, str(path)


async def until(signals: Signals, state: NmDeviceState) -> int:
    """Wait until the device reaches `state`; returns the reason."""
    async with asyncio.timeout(20):
        while True:
            signal = await signals.next()
            if signal.interface == DEVICE and signal.body[0] == state:
                return int(signal.body[2])
