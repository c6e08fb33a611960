"""The profiles (settings that stay) of NetworkManager's for one network: finding, keeping, forgetting."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from dbus_fast import Variant

from gatewayd.provisioning.networkmanager.bus import NM, Bus, DbusCallError, DeniedError

log = structlog.get_logger()

_SETTINGS: Final = f"{NM}.Settings"
_CONNECTION: Final = f"{NM}.Settings.Connection"
_SETTINGS_PATH: Final = "/org/freedesktop/NetworkManager/Settings"
_TO_DISK: Final = 0x1  # NMSettingsUpdate2Flags


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, without its secrets: NetworkManager does not give them with the rest."""

    path: str
    settings: Mapping[str, Mapping[str, Variant]]

    @property
    def ssid(self) -> bytes | None:
        """None: not of Wi-Fi."""
        found = self.settings.get("802-11-wireless", {}).get("ssid")
        return None if found is None else bytes(found.value)

    @property
    def last_used(self) -> int:
        """Unix seconds; 0: never."""
        found = self.settings.get("connection", {}).get("timestamp")
        return 0 if found is None else int(found.value)

    @property
    def is_of_a_station(self) -> bool:
        """Whether it joins a network, rather than opening one of its own."""
        mode = self.settings.get("802-11-wireless", {}).get("mode")
        return mode is None or mode.value == "infrastructure"

    def is_for(self, interface: str) -> bool:
        """Whether it may be used over `interface`; most name none. What another radio uses is not ours to replace."""
        named = self.settings.get("connection", {}).get("interface-name")
        return named is None or named.value in {"", interface}


async def profile_at(bus: Bus, path: str) -> Profile:
    """Raises BusError; RefusedError where there is none."""
    (settings,) = await bus.call(path, _CONNECTION, "GetSettings")
    return Profile(path, settings)


async def profiles_for(bus: Bus, ssid: bytes, interface: str) -> tuple[Profile, ...]:
    """Those that join this network over this interface, the last used first. Raises BusError, RefusedError."""
    (paths,) = await bus.call(_SETTINGS_PATH, _SETTINGS, "ListConnections")
    found = []
    for path in paths:
        with suppress(DbusCallError, DeniedError):  # deleted meanwhile, or another user's own
            profile = await profile_at(bus, path)
            if profile.ssid == ssid and profile.is_of_a_station and profile.is_for(interface):
                found.append(profile)
    return tuple(sorted(found, key=lambda profile: -profile.last_used))


async def keep(bus: Bus, path: str) -> None:
    """Write a profile to disk, with its secrets, from where it comes back after a restart."""
    await bus.call(path, _CONNECTION, "Update2", "a{sa{sv}}ua{sv}", {}, _TO_DISK, {})


async def forget(bus: Bus, path: str) -> None:
    """Delete a profile; one that is not there is forgotten already."""
    with suppress(DbusCallError):
        await bus.call(path, _CONNECTION, "Delete")


async def forget_uuid(bus: Bus, uuid: UUID) -> None:
    """As `forget`, where the path was never learnt."""
    with suppress(DbusCallError):
        (path,) = await bus.call(_SETTINGS_PATH, _SETTINGS, "GetConnectionByUuid", "s", str(uuid))
        await forget(bus, path)
