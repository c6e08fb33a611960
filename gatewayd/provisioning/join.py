"""200554 → 200601, then 200555 or an upgrade; else 400515 (§13.4, §13.5, 版本升级流程): one join at a time."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError
from gatewayd.model.wifi import JoinError, JoinFailure, WifiCredentials, WifiLink
from gatewayd.provisioning.datagrams import firmware_is_newest, join_failed
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import MAX_ASKERS
from gatewayd.provisioning.ssid import to_text
from gatewayd.provisioning.udp_socket import Requester
from gatewayd.provisioning.wifi import Wifi

log = structlog.get_logger()

_JOIN_TIMEOUT_S: Final = 150.0
"""More than the backend takes to give up by itself and to have the former network back."""

_FIRMWARE_TIMEOUT_S: Final = 60.0
_FIRMWARE_AGAIN_S: Final = 3.0
_OUTCOME_KEPT_S: Final = 60.0
_FAILURE_KEPT_S: Final = 3.0

Joined = Callable[[WifiLink, frozenset[Requester], str | None], Awaitable[None]]
"""Says 200601 with the new address and the request's sn to everybody, and to those who asked."""


@dataclass(slots=True)
class _JoinAttempt:
    """One 200554 and what became of it. The passphrase is gone as soon as the join is over."""

    digest: bytes
    sn: str | None
    choice: WifiCredentials | None
    askers: set[Requester]
    link: WifiLink | None = None
    is_newest: bool = False
    failure: bytes | None = None
    ended_at: float | None = None

    def is_remembered(self, now: float) -> bool:
        """Whether the same datagram now is the same wish, said again because the answer was lost.

        A person who tries a second time after a failure means it; a phone without the extension `sn` does not say so,
        and is believed after a moment.
        """
        if self.ended_at is None:
            return True
        kept = _FAILURE_KEPT_S if self.sn is None and self.link is None else _OUTCOME_KEPT_S
        return now - self.ended_at < kept


class JoinRequests:
    """`is_newest` asks the cloud whether the firmware is the newest; its GatewayError means that nobody knows."""

    def __init__(
        self,
        wifi: Wifi,
        radio: asyncio.Lock,
        outlet: Responder,
        *,
        joined: Joined,
        joined_before: Callable[[WifiLink, Requester, str | None], None],
        is_newest: Callable[[], Awaitable[bool]],
        now: Callable[[], float],
    ) -> None:
        self._wifi = wifi
        self._radio = radio
        self._outlet = outlet
        self._joined = joined
        self._joined_before = joined_before
        self._is_newest = is_newest
        self._now = now
        self._digest_key = secrets.token_bytes(32)
        self._job: _JoinAttempt | None = None
        self._asked = asyncio.Event()
        self._to_check: _JoinAttempt | None = None
        self._check = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """True while a join runs."""
        return self._job is not None and self._job.ended_at is None

    def is_known(self, datagram: bytes) -> bool:
        """True for the request that runs or has just ended: a phone that heard no answer sends it again."""
        job = self._job
        return job is not None and job.digest == self._digest(datagram) and job.is_remembered(self._now())

    def begin(self, datagram: bytes, sn: str | None, choice: WifiCredentials, asker: Requester) -> None:
        """Join as `datagram` wants it, and answer `asker` when it is done. Not while busy."""
        assert not self.is_busy
        self._job = _JoinAttempt(self._digest(datagram), sn, choice, {asker})
        self._asked.set()

    def again(self, asker: Requester) -> None:
        """Answer `asker`, too, with the outcome of the known join; it is not done twice."""
        job = self._job
        assert job is not None
        if job.ended_at is None:
            if len(job.askers) < MAX_ASKERS:
                job.askers.add(asker)
        elif job.failure is not None:
            self._outlet.direct(job.failure, asker)
        elif job.link is not None:
            self._joined_before(job.link, asker, job.sn)
            if job.is_newest:
                self._outlet.direct(firmware_is_newest(), asker)

    async def run(self) -> None:
        """Join whenever somebody has asked, and look for newer firmware after that."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._join_when_asked())
            tasks.create_task(self._check_firmware_when_joined())

    def _digest(self, datagram: bytes) -> bytes:
        """Keyed, since a passphrase may be inside."""
        return blake2b(datagram, key=self._digest_key).digest()

    async def _join_when_asked(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            job = self._job
            assert job is not None
            assert job.choice is not None
            name = to_text(job.choice.ssid)
            try:
                job.link = await self._join(job.choice)
            except JoinError as error:
                log.warning("wifi_not_joined", ssid=name, failure=error.failure.name, reason=str(error))
                job.failure = join_failed(error.failure.value, job.sn)
            job.choice, job.ended_at = None, self._now()
            await self._say_outcome(job)

    async def _say_outcome(self, job: _JoinAttempt) -> None:
        askers = frozenset(job.askers)
        if job.link is None:
            assert job.failure is not None
            self._outlet.outcome(job.failure, askers)
        else:
            link = job.link
            log.info("wifi_joined", ssid=to_text(link.ssid), interface=link.interface, address=str(link.address))
            await self._joined(link, askers, job.sn)
            self._to_check = job
            self._check.set()

    async def _check_firmware_when_joined(self) -> None:
        while True:
            await self._check.wait()
            self._check.clear()
            job = self._to_check
            assert job is not None
            try:
                async with asyncio.timeout(_FIRMWARE_TIMEOUT_S):
                    job.is_newest = await self._look_until_known()
            except TimeoutError:
                log.warning("firmware_not_looked_up", reason=f"no answer within {_FIRMWARE_TIMEOUT_S:.0f} s")
            if job.is_newest:
                self._outlet.outcome(firmware_is_newest(), job.askers)

    async def _look_until_known(self) -> bool:
        """A network just joined may take a moment: for its names, or to set the clock that TLS goes by."""
        while True:
            try:
                return await self._is_newest()
            except GatewayError as error:
                log.info("firmware_not_looked_up_yet", reason=str(error))
            await asyncio.sleep(_FIRMWARE_AGAIN_S)

    async def _join(self, choice: WifiCredentials) -> WifiLink:
        async with self._radio:
            try:
                async with asyncio.timeout(_JOIN_TIMEOUT_S):
                    return await self._wifi.join(choice)
            except TimeoutError as error:
                raise JoinError(f"no outcome within {_JOIN_TIMEOUT_S:.0f} s", JoinFailure.UNAVAILABLE) from error
