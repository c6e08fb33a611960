"""Wi-Fi by NetworkManager: lists what is in the air, joins, and says what is joined.

One question to NetworkManager at a time, each over a connection of its own (see bus.py); §13's words are words.py's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog

from gatewayd.model.wifi import Network, ScanError
from gatewayd.provisioning.networkmanager.bus import Bus, BusError, Match, RefusedError, open_bus
from gatewayd.provisioning.networkmanager.words import networks
from gatewayd.provisioning.networkmanager.world import WIRELESS, Radio, UnusableError, World

log = structlog.get_logger()

_PROPERTIES: Final = "org.freedesktop.DBus.Properties"


def boottime_ms() -> int:
    """The clock that NetworkManager stamps scans with."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds. NetworkManager itself gives up on a radio after 25 s, on DHCP after 45 s."""

    call: float = 10
    scan: float = 15
    still_fresh: float = 10
    join: float = 90
    restore: float = 45


class NetworkManagerWifi:
    """The Wi-Fi radio of `interface` (None: the first there is), over the bus at `address` (None: the system's)."""

    def __init__(
        self,
        interface: str | None = None,
        *,
        address: str | None = None,
        limits: Limits | None = None,
        clock_ms: Callable[[], int] = boottime_ms,
    ) -> None:
        self._interface = interface
        self._address = address
        self._limits = limits or Limits()
        self._clock_ms = clock_ms

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        return None

    async def scan(self) -> tuple[Network, ...]:
        """A fresh list, strongest first, each ssid once. Raises ScanError."""
        try:
            async with self._bus() as bus:
                await self._scan(bus)
                found = (await self._radio(bus)).access_points
        except (BusError, RefusedError, UnusableError) as error:
            raise ScanError(f"Wi-Fi networks cannot be listed: {error}") from error
        listed = networks(found.values())
        log.debug("wifi_scanned", heard=len(found), listed=len(listed))
        return listed

    async def _scan(self, bus: Bus) -> None:
        radio = await self._radio(bus)
        async with bus.listening(Match(_PROPERTIES, "PropertiesChanged", radio.path)) as signals:
            try:
                await bus.call(radio.path, WIRELESS, "RequestScan", "a{sv}", {})
            except RefusedError as error:
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

    async def _radio(self, bus: Bus) -> Radio:
        return (await World.read(bus)).radio(self._interface)

    @asynccontextmanager
    async def _bus(self) -> AsyncIterator[Bus]:
        async with open_bus(self._address, timeout_s=self._limits.call) as bus:
            yield bus
