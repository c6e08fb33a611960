"""NetworkManager's profiles (stored connection settings) for one network: find, save, delete.

What a profile contains is left to `security`; when one is made, to `join`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import IntFlag
from typing import Final
from uuid import UUID

import structlog
from dbus_fast import Variant

from gatewayd.provisioning.networkmanager.bus import NM, Bus, DbusCallError, DeniedError

log = structlog.get_logger()

_SETTINGS: Final = f"{NM}.Settings"
_CONNECTION: Final = f"{NM}.Settings.Connection"
_SETTINGS_PATH: Final = "/org/freedesktop/NetworkManager/Settings"


class _Update2Flags(IntFlag):
    """NMSettingsUpdate2Flags, the one that is used."""

    TO_DISK = 0x1


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile without its secrets, which NetworkManager does not return with the other settings."""

    path: str
    settings: Mapping[str, Mapping[str, Variant]]

    @property
    def ssid(self) -> bytes | None:
        """None for a profile that is not Wi-Fi."""
        found = self.settings.get("802-11-wireless", {}).get("ssid")
        return None if found is None else bytes(found.value)

    @property
    def last_used(self) -> int:
        """In Unix seconds; 0: never."""
        found = self.settings.get("connection", {}).get("timestamp")
        return 0 if found is None else int(found.value)

    @property
    def is_station(self) -> bool:
        """True where the profile joins a network, False where it opens an access point or an ad-hoc network."""
        mode = self.settings.get("802-11-wireless", {}).get("mode")
        return mode is None or mode.value == "infrastructure"

    def is_for(self, interface: str) -> bool:
        """True where the profile may be used over `interface`: it names this one, or (as most do) none."""
        named = self.settings.get("connection", {}).get("interface-name")
        return named is None or named.value in {"", interface}


async def profile_at(bus: Bus, path: str) -> Profile:
    """The profile at `path`. Raises BusError; DbusCallError where there is none."""
    (settings,) = await bus.call(path, _CONNECTION, "GetSettings")
    return Profile(path, settings)


async def profiles_for(bus: Bus, ssid: bytes, interface: str) -> tuple[Profile, ...]:
    """The profiles that join `ssid` over `interface`, the last used first. Raises BusError, DbusCallError."""
    (paths,) = await bus.call(_SETTINGS_PATH, _SETTINGS, "ListConnections")
    found = []
    for path in paths:
        with suppress(DbusCallError, DeniedError):  # deleted meanwhile, or private to another user
            profile = await profile_at(bus, path)
            if profile.ssid == ssid and profile.is_station and profile.is_for(interface):
                found.append(profile)
    return tuple(sorted(found, key=lambda profile: -profile.last_used))


async def save(bus: Bus, path: str) -> None:
    """Write the profile at `path` to disk, secrets included. Raises BusError, DbusCallError."""
    await bus.call(path, _CONNECTION, "Update2", "a{sa{sv}}ua{sv}", {}, int(_Update2Flags.TO_DISK), {})


async def delete(bus: Bus, path: str) -> None:
    """Delete the profile at `path`, if there is one. Raises BusError."""
    with suppress(DbusCallError):
        await bus.call(path, _CONNECTION, "Delete")


async def delete_by_uuid(bus: Bus, uuid: UUID) -> None:
    """Delete the profile named `uuid`, if there is one. Raises BusError."""
    with suppress(DbusCallError):
        (path,) = await bus.call(_SETTINGS_PATH, _SETTINGS, "GetConnectionByUuid", "s", str(uuid))
        await delete(bus, path)
