"""Lists networks for phones: 200552 is answered with 200553, or 400514 where the scan fails (§13.1 to §13.3).

One scan runs at a time, and everybody who asks meanwhile gets its result. The scan itself is left to `wifi`.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gatewayd.model.wifi import ScanError
from gatewayd.provisioning.datagrams import encode_list_failed, encode_network_list
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.ssid import SsidTable
from gatewayd.provisioning.udp_socket import Sender
from gatewayd.provisioning.wifi import Wifi

log = structlog.get_logger()

MAX_REQUESTERS: Final = 16
_SCAN_TIMEOUT_S: Final = 30.0
_ANSWER_VALID_S: Final = 5.0
"""For so long an answer is sent again instead of scanning: continuous scans would keep the radio off its network."""


class ScanRequests:
    """`radio` is locked while the Wi-Fi radio scans or joins. `now` is monotonic, in seconds."""

    def __init__(self, wifi: Wifi, radio: asyncio.Lock, responder: Responder, now: Callable[[], float]) -> None:
        self._wifi = wifi
        self._radio = radio
        self._responder = responder
        self._now = now
        self._requesters: set[Sender] = set()
        self._requested = asyncio.Event()
        self._last_answer: tuple[bytes, float] | None = None
        self.ssids = SsidTable()
        """Of the last list that was sent."""

    def add(self, requester: Sender) -> None:
        """Answer `requester`: with the last answer while that is valid, else after the next scan.

        Beyond MAX_REQUESTERS waiting at once, a requester gets no answer of its own.
        """
        if self._last_answer is not None and self._now() - self._last_answer[1] < _ANSWER_VALID_S:
            self._responder.reply_and_broadcast(self._last_answer[0], (requester,))
        elif len(self._requesters) < MAX_REQUESTERS:
            self._requesters.add(requester)
            self._requested.set()

    async def run(self) -> None:
        """Scan and answer whenever there are requesters, until cancelled."""
        while True:
            await self._requested.wait()
            answer = await self._scan()
            self._last_answer = (answer, self._now())
            self._requested.clear()
            requesters, self._requesters = self._requesters, set()
            self._responder.reply_and_broadcast(answer, requesters)

    async def _scan(self) -> bytes:
        if self._radio.locked():  # a join takes longer than a phone waits for a list
            log.info("networks_not_listed", reason="the radio is joining a network")
            return encode_list_failed()
        try:
            async with self._radio, asyncio.timeout(_SCAN_TIMEOUT_S):
                networks = await self._wifi.scan()
        except (ScanError, TimeoutError) as error:
            log.warning("networks_not_listed", reason=str(error) or "the scan did not end")
            return encode_list_failed()
        except Exception:  # a fault of ours: the phone gets an answer, the next scan is made
            log.exception("scan_crashed")
            return encode_list_failed()
        self.ssids = SsidTable((network.ssid for network in networks), former=self.ssids)
        log.debug("networks_listed", count=len(networks))
        return encode_network_list(networks, self.ssids)
