"""The Protocol `Wifi` on NetworkManager: lists networks, joins one, reads what is joined.

Each task has a connection to the bus of its own (see `bus`). The steps of a join are left to `join`, §13's values to
`security`.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID, uuid4

import structlog

from gatewayd.model.wifi import JoinError, JoinFailure, ScanError, WifiCredentials, WifiLink, WifiNetwork
from gatewayd.provisioning.networkmanager import profiles
from gatewayd.provisioning.networkmanager.bus import Bus, BusError, DbusCallError, SignalMatch, open_bus
from gatewayd.provisioning.networkmanager.join import NetworkManagerJoin
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.objects import (
    WIRELESS,
    NetworkManagerObjects,
    NmDeviceState,
    UnusableError,
    WirelessDevice,
)
from gatewayd.provisioning.networkmanager.security import check_credentials, joinable_networks

log = structlog.get_logger()

_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_NOT_ALLOWED_SUFFIX: Final = ".NotAllowed"  # NMDeviceError


def boottime_ms() -> int:
    """CLOCK_BOOTTIME, by which NetworkManager dates scans."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class NetworkManagerWifi:
    """The Wi-Fi radio of `interface` (None: the first that can be used). Fits the Protocol `Wifi`.

    `address` is the D-Bus address of the bus (None: the system bus).
    """

    def __init__(
        self,
        interface: str | None = None,
        *,
        address: str | None = None,
        limits: JoinTimeouts | None = None,
        clock_ms: Callable[[], int] = boottime_ms,
        new_uuid: Callable[[], UUID] = uuid4,
    ) -> None:
        self._interface = interface
        self._address = address
        self._limits = limits or JoinTimeouts()
        self._clock_ms = clock_ms
        self._new_uuid = new_uuid

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """Scan now; return the networks, strongest first, each ssid once. Raises ScanError."""
        try:
            async with self._bus() as bus:
                await self._scan(bus)
                access_points = (await self._device(bus)).access_points
        except (BusError, DbusCallError, UnusableError) as error:
            raise ScanError(f"Wi-Fi networks cannot be listed: {error}") from error
        networks = joinable_networks(access_points.values())
        log.debug("wifi_scanned", access_points=len(access_points), networks=len(networks))
        return networks

    async def join(self, credentials: WifiCredentials) -> WifiLink:
        """Join, and return once there is an IPv4 address. Raises JoinError, with the former network connected again.

        Where this is cancelled, NetworkManager has been told to connect the former network before CancelledError
        propagates.
        """
        check_credentials(credentials)
        try:
            async with self._bus() as bus:
                device = await self._device(bus)
                join = NetworkManagerJoin(bus, device, credentials, uuid=self._new_uuid(), limits=self._limits)
                return await join.run()
        except (BusError, DbusCallError, UnusableError) as error:
            raise JoinError(f"Wi-Fi cannot be used: {error}", JoinFailure.UNAVAILABLE) from error

    async def link(self) -> WifiLink | None:
        """The network that is joined now; None also where NetworkManager or the radio cannot be read.

        A network counts from IP_CONFIG on, as soon as there is an address: the kernel reports the address before
        NetworkManager reaches ACTIVATED.
        """
        try:
            async with self._bus() as bus:
                device = await self._device(bus)
                if not NmDeviceState.IP_CONFIG <= device.state <= NmDeviceState.ACTIVATED or device.address is None:
                    return None
                ssid = (await profiles.profile_at(bus, device.profile)).ssid
        except (BusError, DbusCallError, UnusableError) as error:
            log.debug("wifi_link_not_read", reason=str(error))
            return None
        return None if ssid is None else WifiLink(device.interface, ssid, device.address)

    async def _scan(self, bus: Bus) -> None:
        device = await self._device(bus)
        async with bus.subscribed(SignalMatch(_PROPERTIES, "PropertiesChanged", device.path)) as signals:
            try:
                await bus.call(device.path, WIRELESS, "RequestScan", "a{sv}", {})
            except DbusCallError as error:
                # NetworkManager refuses a scan while one runs, and for a while after one.
                if not error.name.endswith(_NOT_ALLOWED_SUFFIX):
                    raise
                if self._clock_ms() - device.last_scan <= self._limits.scan_max_age * 1000:
                    return
            try:
                async with asyncio.timeout(self._limits.scan):
                    while True:
                        interface, changed, _ = (await signals.next()).body
                        if interface == WIRELESS and "LastScan" in changed:
                            return
            except TimeoutError:
                raise UnusableError(f"{device.interface} did not finish a scan in {self._limits.scan:g} s") from None

    async def _device(self, bus: Bus) -> WirelessDevice:
        return (await NetworkManagerObjects.read(bus)).wifi_device(self._interface)

    def _bus(self) -> AbstractAsyncContextManager[Bus]:
        return open_bus(self._address, timeout_s=self._limits.call)
