"""200552 → 200553 or 400514 (§13.1 to §13.3): one scan at a time, its answer shared by all who asked meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gatewayd.model.wifi import ScanError
from gatewayd.provisioning.datagrams import list_failed, network_list
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.ssid import SsidNames
from gatewayd.provisioning.udp_socket import Requester
from gatewayd.provisioning.wifi import Wifi

log = structlog.get_logger()

MAX_ASKERS: Final = 16
_SCAN_TIMEOUT_S: Final = 30.0
_FRESH_S: Final = 5.0
"""For so long an outcome answers who asks again: scanning without a pause would keep the radio from its own network."""


class ScanRequests:
    """`radio` is held while the Wi-Fi radio is busy; `now` is monotonic, in seconds."""

    def __init__(self, wifi: Wifi, radio: asyncio.Lock, outlet: Responder, now: Callable[[], float]) -> None:
        self._wifi = wifi
        self._radio = radio
        self._outlet = outlet
        self._now = now
        self._askers: set[Requester] = set()
        self._asked = asyncio.Event()
        self._last: tuple[bytes, float] | None = None
        self.names = SsidNames()
        """Of the last list that was sent."""

    def ask(self, asker: Requester) -> None:
        """Answer `asker` with the networks, soon."""
        if self._last is not None and self._now() - self._last[1] < _FRESH_S:
            self._outlet.answer(self._last[0], (asker,))
        elif len(self._askers) < MAX_ASKERS:
            self._askers.add(asker)
            self._asked.set()

    async def run(self) -> None:
        """Scan whenever somebody has asked."""
        while True:
            await self._asked.wait()
            answer = await self._scan()
            self._last = (answer, self._now())
            self._asked.clear()
            askers, self._askers = self._askers, set()
            self._outlet.answer(answer, askers)

    async def _scan(self) -> bytes:
        if self._radio.locked():  # a join takes longer than a phone waits for a list
            log.info("networks_not_listed", reason="the radio is joining a network")
            return list_failed()
        try:
            async with self._radio, asyncio.timeout(_SCAN_TIMEOUT_S):
                networks = await self._wifi.scan()
        except (ScanError, TimeoutError) as error:
            log.warning("networks_not_listed", reason=str(error) or "the scan did not end")
            return list_failed()
        self.names = SsidNames((network.ssid for network in networks), former=self.names)
        log.debug("networks_listed", count=len(networks))
        return network_list(networks, self.names)
