"""NetworkManager's objects at one moment, read in a single call so that none can vanish in between.

Picks the Wi-Fi device to use. What its access points offer is left to `security`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Interface
from typing import Any, Final, TypeVar

import msgspec
from dbus_fast.unpack import unpack_variants

from gatewayd.model.errors import GatewayError
from gatewayd.provisioning.networkmanager.bus import NM, Bus, BusError
from gatewayd.provisioning.networkmanager.security import AccessPoint

MANAGER: Final = "/org/freedesktop/NetworkManager"
DEVICE: Final = f"{NM}.Device"
WIRELESS: Final = f"{NM}.Device.Wireless"
ACTIVE_CONNECTION: Final = f"{NM}.Connection.Active"
NO_OBJECT: Final = "/"
"""The object path that NetworkManager uses for "none"."""

Properties = TypeVar("Properties")


class NmDeviceType(IntEnum):
    """NMDeviceType, the one that is used."""

    WIFI = 2


class NmDeviceState(IntEnum):
    """NMDeviceState. During an activation it rises from PREPARE to ACTIVATED."""

    UNKNOWN = 0
    UNMANAGED = 10
    UNAVAILABLE = 20
    DISCONNECTED = 30
    PREPARE = 40
    CONFIG = 50
    NEED_AUTH = 60
    IP_CONFIG = 70
    IP_CHECK = 80
    SECONDARIES = 90
    ACTIVATED = 100
    DEACTIVATING = 110
    FAILED = 120


class NmActiveConnectionState(IntEnum):
    """NMActiveConnectionState, the one that is used."""

    DEACTIVATED = 4


class UnusableError(GatewayError):
    """NetworkManager runs, but has no Wi-Fi device that can be used now; the message gives the reason."""


class _Manager(msgspec.Struct, rename="pascal"):
    networking_enabled: bool = True
    wireless_enabled: bool = True
    wireless_hardware_enabled: bool = True


class _Device(msgspec.Struct, rename="pascal"):
    interface: str
    device_type: int
    state: int
    active_connection: str = NO_OBJECT
    ip4_config: str = msgspec.field(name="Ip4Config", default=NO_OBJECT)


class _Wireless(msgspec.Struct, rename="pascal"):
    last_scan: int = -1
    access_points: tuple[str, ...] = ()


class _ActiveConnection(msgspec.Struct, rename="pascal"):
    connection: str = NO_OBJECT


class _Address(msgspec.Struct):
    address: str
    prefix: int


class _Ip4Config(msgspec.Struct, rename="pascal"):
    address_data: tuple[_Address, ...] = ()


@dataclass(frozen=True, slots=True)
class WirelessDevice:
    """A Wi-Fi device of NetworkManager at one moment. Paths are D-Bus object paths."""

    path: str
    interface: str
    state: int
    """NMDeviceState."""

    last_scan: int
    """In ms of CLOCK_BOOTTIME; -1: never."""

    access_points: dict[str, AccessPoint]
    """By path."""

    active_connection: str
    """Its path; NO_OBJECT: none."""

    profile: str
    """The path of the active connection's profile; NO_OBJECT: none."""

    address: IPv4Interface | None


class NetworkManagerObjects:
    """All of NetworkManager's objects with their properties: path → interface → property → value."""

    def __init__(self, objects: dict[str, dict[str, dict[str, Any]]]) -> None:
        self._objects = objects

    @classmethod
    async def read(cls, bus: Bus) -> "NetworkManagerObjects":
        """Read them now. Raises BusError, DbusCallError."""
        (objects,) = await bus.call("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return cls(unpack_variants(objects))

    def path_of(self, interface: str) -> str | None:
        """The path of the device of `interface`; None where there is none."""
        return next((path for path, device in self._devices() if device.interface == interface), None)

    def wifi_device(self, interface: str | None) -> WirelessDevice:
        """The Wi-Fi device of `interface`; None: the first that can be used. Raises UnusableError, BusError."""
        path, device = self._named(interface) if interface is not None else self._first_usable()
        wireless = self._get(path, WIRELESS, _Wireless)
        active_connection = self._find(device.active_connection, ACTIVE_CONNECTION, _ActiveConnection)
        return WirelessDevice(
            path=path,
            interface=device.interface,
            state=device.state,
            last_scan=wireless.last_scan,
            access_points=self._access_points(wireless),
            active_connection=device.active_connection,
            profile=active_connection.connection if active_connection else NO_OBJECT,
            address=self._address(device),
        )

    def _named(self, interface: str) -> tuple[str, _Device]:
        for path, device in self._devices():
            if device.interface == interface:
                if device.device_type != NmDeviceType.WIFI:
                    raise UnusableError(f"{interface} is not a Wi-Fi interface")
                self._check_usable(device)
                return path, device
        raise UnusableError(f"there is no interface {interface}")

    def _first_usable(self) -> tuple[str, _Device]:
        reason = UnusableError("there is no Wi-Fi device")
        for path, device in self._devices():
            if device.device_type == NmDeviceType.WIFI:
                try:
                    self._check_usable(device)
                except UnusableError as error:
                    reason = error
                else:
                    return path, device
        raise reason

    def _devices(self) -> Iterator[tuple[str, _Device]]:
        return ((path, self._get(path, DEVICE, _Device)) for path in sorted(self._objects) if self._has(path, DEVICE))

    def _check_usable(self, device: _Device) -> None:
        manager = self._get(MANAGER, NM, _Manager)
        if not manager.networking_enabled:
            raise UnusableError("NetworkManager's networking is switched off (nmcli networking on)")
        if not manager.wireless_hardware_enabled:
            raise UnusableError("the radio is switched off by a switch or by rfkill")
        if not manager.wireless_enabled:
            raise UnusableError("the radio is switched off (nmcli radio wifi on)")
        if device.state in {NmDeviceState.UNKNOWN, NmDeviceState.UNMANAGED}:
            raise UnusableError(f"{device.interface} is not managed by NetworkManager")
        if device.state == NmDeviceState.UNAVAILABLE:
            raise UnusableError(f"{device.interface} is not ready: is its firmware there, and wpa_supplicant?")

    def _access_points(self, wireless: _Wireless) -> dict[str, AccessPoint]:
        found = ((path, self._find(path, f"{NM}.AccessPoint", AccessPoint)) for path in wireless.access_points)
        return {path: access_point for path, access_point in found if access_point is not None}

    def _address(self, device: _Device) -> IPv4Interface | None:
        config = self._find(device.ip4_config, f"{NM}.IP4Config", _Ip4Config)
        if config is None or not config.address_data:
            return None
        first = config.address_data[0]
        return IPv4Interface(f"{first.address}/{first.prefix}")

    def _has(self, path: str, interface: str) -> bool:
        return interface in self._objects.get(path, {})

    def _find(self, path: str, interface: str, kind: type[Properties]) -> Properties | None:
        return self._get(path, interface, kind) if self._has(path, interface) else None

    def _get(self, path: str, interface: str, kind: type[Properties]) -> Properties:
        try:
            return msgspec.convert(self._objects[path][interface], kind)
        except (KeyError, msgspec.ValidationError) as error:
            raise BusError(f"NetworkManager's {interface} at {path} cannot be read: {error}") from error
