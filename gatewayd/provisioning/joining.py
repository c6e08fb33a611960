"""200554 → 200601, then 200555 or an upgrade; else 400515 (§13.4, §13.5, 版本升级流程): one join at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from gatewayd.model.errors import CloudError
from gatewayd.model.wifi import Choice, JoinError, JoinFailure, Link
from gatewayd.provisioning.datagrams import JoinNetwork, firmware_is_newest, join_failed
from gatewayd.provisioning.endpoint import Asker
from gatewayd.provisioning.listing import MAX_ASKERS
from gatewayd.provisioning.names import to_text
from gatewayd.provisioning.outlet import Outlet
from gatewayd.provisioning.wifi import Wifi

log = structlog.get_logger()

_JOIN_TIMEOUT_S: Final = 120.0
_FIRMWARE_TIMEOUT_S: Final = 60.0
_OUTCOME_KEPT_S: Final = 60.0

Joined = Callable[[Link, frozenset[Asker], str | None], Awaitable[None]]
"""Says 200601 with the new address and the request's sn to everybody, and to those who asked."""


@dataclass(slots=True)
class _Job:
    request: JoinNetwork
    choice: Choice
    askers: set[Asker]
    failure: bytes | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class Joining:
    """`is_newest` asks the cloud whether the firmware is the newest; its CloudError means that nobody knows."""

    wifi: Wifi
    radio: asyncio.Lock
    outlet: Outlet
    joined: Joined
    announce_to: Callable[[Asker, str | None], None]
    is_newest: Callable[[], Awaitable[bool]]
    now: Callable[[], float]
    _job: _Job | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _to_check: asyncio.Queue[frozenset[Asker]] = field(default_factory=lambda: asyncio.Queue(1))

    @property
    def is_busy(self) -> bool:
        """True while a join runs."""
        return self._job is not None and self._job.ended_at is None

    def is_known(self, request: JoinNetwork) -> bool:
        """True for the request that runs or has just ended: a phone that heard no answer sends it again."""
        job = self._job
        return job is not None and job.request == request and self._is_remembered(job)

    def begin(self, request: JoinNetwork, choice: Choice, asker: Asker) -> None:
        """Join, and answer `asker` when it is done. Not while busy."""
        assert not self.is_busy
        self._job = _Job(request, choice, {asker})
        self._asked.set()

    def again(self, asker: Asker) -> None:
        """Answer `asker`, too, with the outcome of the known join; it is not done twice."""
        job = self._job
        assert job is not None
        if job.ended_at is None:
            if len(job.askers) < MAX_ASKERS:
                job.askers.add(asker)
        elif job.failure is not None:
            self.outlet.direct(job.failure, (asker,))
        else:
            self.announce_to(asker, job.request.sn)
            self._check_soon(frozenset((asker,)))

    async def run(self) -> None:
        """Join whenever somebody has asked, and look for newer firmware after that."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._join_when_asked())
            tasks.create_task(self._check_firmware_when_joined())

    def _is_remembered(self, job: _Job) -> bool:
        return job.ended_at is None or self.now() - job.ended_at < _OUTCOME_KEPT_S

    async def _join_when_asked(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            job = self._job
            assert job is not None
            try:
                link = await self._join(job.choice)
            except JoinError as error:
                log.warning(
                    "wifi_not_joined", ssid=to_text(job.choice.ssid), failure=error.failure.name, reason=str(error)
                )
                job.failure = join_failed(error.failure.value)
                self.outlet.answer(job.failure, job.askers)
            else:
                log.info("wifi_joined", ssid=to_text(link.ssid), interface=link.interface, address=str(link.address))
                askers = frozenset(job.askers)
                await self.joined(link, askers, job.request.sn)
                self._check_soon(askers)
            job.ended_at = self.now()

    def _check_soon(self, askers: frozenset[Asker]) -> None:
        """One check waits at most; who comes later than that hears the broadcast."""
        if not self._to_check.full():
            self._to_check.put_nowait(askers)

    async def _check_firmware_when_joined(self) -> None:
        while True:
            askers = await self._to_check.get()
            try:
                async with asyncio.timeout(_FIRMWARE_TIMEOUT_S):
                    is_newest = await self.is_newest()
            except (CloudError, TimeoutError) as error:
                log.warning("firmware_not_looked_up", reason=str(error) or "no answer in time")
                continue
            if is_newest:
                self.outlet.answer(firmware_is_newest(), askers)

    async def _join(self, choice: Choice) -> Link:
        async with self.radio:
            try:
                async with asyncio.timeout(_JOIN_TIMEOUT_S):
                    return await self.wifi.join(choice)
            except TimeoutError as error:
                raise JoinError(f"no outcome within {_JOIN_TIMEOUT_S:.0f} s", JoinFailure.UNAVAILABLE) from error
