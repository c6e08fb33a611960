"""What NetworkManager says there is, at one moment: read in one call, so that no part of it can vanish in between."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Interface
from typing import Any, Final, TypeVar

import msgspec
from dbus_fast.unpack import unpack_variants

from gatewayd.model.errors import GatewayError
from gatewayd.provisioning.networkmanager.bus import NM, Bus, BusError
from gatewayd.provisioning.networkmanager.security import AccessPointSecurity

MANAGER: Final = "/org/freedesktop/NetworkManager"
DEVICE: Final = f"{NM}.Device"
WIRELESS: Final = f"{NM}.Device.Wireless"
ACTIVE: Final = f"{NM}.Connection.Active"
NOTHING: Final = "/"  # the path that stands for no object

_WIFI: Final = 2  # NMDeviceType

Read = TypeVar("Read")


class NmDeviceState(IntEnum):
    """NMDeviceState."""

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


class UnusableError(GatewayError):
    """There is a NetworkManager, but no radio of it that can be used now; the message says why."""


class _Manager(msgspec.Struct, rename="pascal"):
    networking_enabled: bool = True
    wireless_enabled: bool = True
    wireless_hardware_enabled: bool = True


class _Device(msgspec.Struct, rename="pascal"):
    interface: str
    device_type: int
    state: int
    active_connection: str = NOTHING
    ip4_config: str = msgspec.field(name="Ip4Config", default=NOTHING)


class _Wireless(msgspec.Struct, rename="pascal"):
    last_scan: int = -1
    access_points: tuple[str, ...] = ()


class _Active(msgspec.Struct, rename="pascal"):
    connection: str = NOTHING


class _Address(msgspec.Struct):
    address: str
    prefix: int


class _Ip4Config(msgspec.Struct, rename="pascal"):
    address_data: tuple[_Address, ...] = ()


@dataclass(frozen=True, slots=True)
class WirelessDevice:
    """A Wi-Fi device of NetworkManager's at one moment. Paths are D-Bus object paths."""

    path: str
    interface: str
    state: int
    last_scan: int  # ms of CLOCK_BOOTTIME; -1: never
    access_points: dict[str, AccessPointSecurity]
    active: str  # the active connection's path; NOTHING: none
    profile: str  # the settings' path behind it; NOTHING: none
    address: IPv4Interface | None


class NetworkManagerObjects:
    """All objects of NetworkManager's, with their properties."""

    def __init__(self, objects: dict[str, dict[str, dict[str, Any]]]) -> None:
        self._objects = objects

    @classmethod
    async def read(cls, bus: Bus) -> "NetworkManagerObjects":
        """Raises BusError."""
        (objects,) = await bus.call("/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return cls(unpack_variants(objects))

    def path_of(self, interface: str) -> str | None:
        """Where the device of that interface is; None: there is none."""
        return next((path for path, device in self._devices() if device.interface == interface), None)

    def radio(self, interface: str | None) -> WirelessDevice:
        """The Wi-Fi device of that interface, or the first that can be used. Raises UnusableError with the reason."""
        path, device = self._device(interface) if interface is not None else self._first()
        wireless = self._get(path, WIRELESS, _Wireless)
        active = self._find(device.active_connection, ACTIVE, _Active)
        return WirelessDevice(
            path=path,
            interface=device.interface,
            state=device.state,
            last_scan=wireless.last_scan,
            access_points=self._access_points(wireless),
            active=device.active_connection,
            profile=active.connection if active else NOTHING,
            address=self._address(device),
        )

    def _device(self, interface: str) -> tuple[str, _Device]:
        for path, device in self._devices():
            if device.interface == interface:
                if device.device_type != _WIFI:
                    raise UnusableError(f"{interface} is not a Wi-Fi interface")
                self._check_usable(device)
                return path, device
        raise UnusableError(f"there is no interface {interface}")

    def _first(self) -> tuple[str, _Device]:
        trouble = UnusableError("there is no Wi-Fi device")
        for path, device in self._devices():
            if device.device_type == _WIFI:
                try:
                    self._check_usable(device)
                except UnusableError as error:
                    trouble = error
                else:
                    return path, device
        raise trouble

    def _devices(self) -> Iterator[tuple[str, _Device]]:
        return ((path, self._get(path, DEVICE, _Device)) for path in sorted(self._objects) if self._is(path, DEVICE))

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

    def _access_points(self, wireless: _Wireless) -> dict[str, AccessPointSecurity]:
        found = ((path, self._find(path, f"{NM}.AccessPoint", AccessPointSecurity)) for path in wireless.access_points)
        return {path: access_point for path, access_point in found if access_point is not None}

    def _address(self, device: _Device) -> IPv4Interface | None:
        config = self._find(device.ip4_config, f"{NM}.IP4Config", _Ip4Config)
        if config is None or not config.address_data:
            return None
        first = config.address_data[0]
        return IPv4Interface(f"{first.address}/{first.prefix}")

    def _is(self, path: str, interface: str) -> bool:
        return interface in self._objects.get(path, {})

    def _find(self, path: str, interface: str, kind: type[Read]) -> Read | None:
        return self._get(path, interface, kind) if self._is(path, interface) else None

    def _get(self, path: str, interface: str, kind: type[Read]) -> Read:
        try:
            return msgspec.convert(self._objects[path][interface], kind)
        except (KeyError, msgspec.ValidationError) as error:
            raise BusError(f"NetworkManager's {interface} at {path} cannot be read: {error}") from error
