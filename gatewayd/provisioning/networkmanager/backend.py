"""Wi-Fi by NetworkManager: lists what is in the air, joins, and says what is joined.

One question to NetworkManager at a time, each over a connection of its own (see bus.py); §13's words are words.py's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self
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
from gatewayd.provisioning.networkmanager.security import check_choice, networks

log = structlog.get_logger()

_PROPERTIES: Final = "org.freedesktop.DBus.Properties"


def boottime_ms() -> int:
    """The clock that NetworkManager stamps scans with."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class NetworkManagerWifi:
    """The Wi-Fi radio of `interface` (None: the first that can be used); `address` is the bus (None: the system's)."""

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        return None

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """A fresh list, strongest first, each ssid once. Raises ScanError."""
        try:
            async with self._bus() as bus:
                await self._scan(bus)
                found = (await self._radio(bus)).access_points
        except (BusError, DbusCallError, UnusableError) as error:
            raise ScanError(f"Wi-Fi networks cannot be listed: {error}") from error
        listed = networks(found.values())
        log.debug("wifi_scanned", heard=len(found), listed=len(listed))
        return listed

    async def join(self, choice: WifiCredentials) -> WifiLink:
        """Join, and return once there is an IPv4 address. Raises JoinError, with the former network back.

        Where it is cancelled, the former network is on its way back when the cancellation goes on.
        """
        check_choice(choice)
        try:
            async with self._bus() as bus:
                radio = await self._radio(bus)
                return await NetworkManagerJoin(bus, radio, choice, uuid=self._new_uuid(), limits=self._limits).run()
        except (BusError, DbusCallError, UnusableError) as error:
            raise JoinError(f"Wi-Fi cannot be used: {error}", JoinFailure.UNAVAILABLE) from error

    async def link(self) -> WifiLink | None:
        """What is joined now; None too where NetworkManager or the radio cannot be asked.

        A network counts once it has given an address: the kernel tells of that before NetworkManager is all done.
        """
        try:
            async with self._bus() as bus:
                radio = await self._radio(bus)
                if not NmDeviceState.IP_CONFIG <= radio.state <= NmDeviceState.ACTIVATED or radio.address is None:
                    return None
                ssid = (await profiles.profile_at(bus, radio.profile)).ssid
        except (BusError, DbusCallError, UnusableError) as error:
            log.debug("wifi_link_not_known", reason=str(error))
            return None
        return None if ssid is None else WifiLink(radio.interface, ssid, radio.address)

    async def _scan(self, bus: Bus) -> None:
        radio = await self._radio(bus)
        async with bus.listening(SignalMatch(_PROPERTIES, "PropertiesChanged", radio.path)) as signals:
            try:
                await bus.call(radio.path, WIRELESS, "RequestScan", "a{sv}", {})
            except DbusCallError as error:
                # So it says while a scan runs already, and right after one.
                if not error.name.endswith(".NotAllowed"):
                    raise
                if self._clock_ms() - radio.last_scan <= self._limits.still_fresh * 1000:
                    return
            try:
                async with asyncio.timeout(self._limits.scan):
                    while True:
                        interface, changed, _ = (await signals.next()).body
                        if interface == WIRELESS and "LastScan" in changed:
                            return
            except TimeoutError:
                raise UnusableError(f"{radio.interface} did not finish a scan in {self._limits.scan:g} s") from None

    async def _radio(self, bus: Bus) -> WirelessDevice:
        return (await NetworkManagerObjects.read(bus)).radio(self._interface)

    @asynccontextmanager
    async def _bus(self) -> AsyncIterator[Bus]:
        async with open_bus(self._address, timeout_s=self._limits.call) as bus:
            yield bus
