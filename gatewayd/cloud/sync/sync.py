"""The sync: at start, every interval, and when somebody asks; section by section, each with its own outcome.

A section that fails leaves what is known of it was, and the others go on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec.structs import replace

from gatewayd.cloud.access_control import AccessControl, grants, names
from gatewayd.cloud.clock import CloudClock
from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import CloudUnavailableError, RefusedByCloudError
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.rows import ApiRow, read_row, write_row
from gatewayd.cloud.sync.progress import SyncProgress, SyncStep
from gatewayd.cloud.sync.records import RecordSync
from gatewayd.model.errors import CloudError, GatewayError
from gatewayd.store.cloud_cache import CachedObject, CloudCache
from gatewayd.store.mirror import Mirror

log = structlog.get_logger()

_AGAIN_S: Final = 30.0
"""After a run that failed; twice as long after each further one that failed though the cloud was there."""

_AUTHORIZATION, _MEMBER, _PROFILE = "authorization", "member", "profile"


@dataclass(frozen=True, slots=True)
class SyncSection:
    """A part of the cloud that is copied as it is."""

    kind: str
    list: Callable[[], AsyncIterator[ApiRow]]


class Sync:
    """Runs the sync. `progress` is that of the latest run."""

    def __init__(
        self,
        client: CloudClient,
        mirror: Mirror,
        copies: CloudCache,
        access: AccessControl,
        clock: CloudClock,
        *,
        interval_s: float,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._copies = copies
        self._access = access
        self._clock = clock
        self._interval_s = interval_s
        self._asked = asyncio.Event()
        self.progress = SyncProgress()
        self._sections = (
            SyncSection("home", client.homes.list),
            SyncSection("space", client.spaces.list),
            SyncSection(_MEMBER, client.members.list),
            SyncSection("key", client.keys.list),
            SyncSection("temporary_password", client.passwords.list),
            SyncSection("version", client.versions.list),
        )
        self._learn()

    def ask(self) -> int:
        """Sync now, or once more if a run is under way; the number of the run that will have heard of it."""
        self._asked.set()
        return self.progress.number + 1

    async def run(self) -> None:
        """Sync at start, then every interval and whenever asked, until cancelled."""
        failures = 0
        while True:
            self._asked.clear()
            await self._run_once()
            failures = (failures + 1 if self.progress.reached else 1) if self.progress.failed else 0
            try:
                async with asyncio.timeout(pause_after(failures, self._interval_s)):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _run_once(self) -> None:
        jobs: list[tuple[str, Callable[[SyncStep], Awaitable[None]]]] = [
            ("timestamp", self._time),
            ("record", RecordSync(self._client, self._mirror).run),
            (_PROFILE, self._profile),
            *((section.kind, _copying(section, self._copies)) for section in self._sections),
            (_AUTHORIZATION, self._authorizations),
        ]
        steps = [SyncStep(name) for name, _ in jobs]
        self.progress = SyncProgress(self.progress.number + 1, running=True, steps=steps)
        for step, (_, job) in zip(steps, jobs, strict=True):
            if _is_out_of_reach(steps):
                step.state, step.error = "failed", "not tried: nothing came of the first two"
            else:
                await _attempt(step, job)
        self._learn()
        self.progress.running = False
        changed = {step.name: step.changed for step in steps if step.changed}
        log.info("synced", failed=[step.name for step in steps if step.error], **changed)

    async def _time(self, step: SyncStep) -> None:
        """§2.13."""
        self._clock.set(await self._client.service.timestamp())
        step.seen = 1

    async def _profile(self, step: SyncStep) -> None:
        """§1.4: who this account is."""
        profile = replace(await self._client.accounts.profile(), token=None)
        step.seen = 1
        step.changed = await self._copies.replace(_PROFILE, {profile.id: write_row(profile)})

    async def _authorizations(self, step: SyncStep) -> None:
        """§2.2. What is no longer listed is asked for by itself: a right is neither kept nor lost by mistake.

        One that is not listed and that the cloud refuses to show, for whatever reason, does not stand any more; one
        of which it gives no answer stands, and holds up neither the end of another nor a new one.
        """
        found = await _by_id(self._client.authorizations.list(), step)
        known = self._copies.of(_AUTHORIZATION)
        fault: CloudError | None = None
        for id_ in known.keys() - found.keys():
            try:
                found[id_] = write_row(await self._client.authorizations.get(id_))
            except RefusedByCloudError as error:
                log.info("authorization_gone", id=id_, reason=str(error))
            except CloudError as error:
                found[id_], fault = known[id_], error
        step.changed = await self._copies.replace(_AUTHORIZATION, found)
        if fault is not None:
            raise fault

    def _learn(self) -> None:
        """Rights come from the copies, so that they are there after a restart without the cloud."""
        members = [read_row(copy, Member, _MEMBER) for copy in self._copies.of(_MEMBER).values()]
        profiles = [read_row(copy, UserProfile, _PROFILE) for copy in self._copies.of(_PROFILE).values()]
        given = [read_row(copy, Authorization, _AUTHORIZATION) for copy in self._copies.of(_AUTHORIZATION).values()]
        self._access.learn(grants(given, names(members, profiles[0] if profiles else None)))


def pause_after(failures: int, interval_s: float) -> float:
    """Seconds until the next run, after so many in a row that failed: a whole house is not asked for every half minute
    because of one section that never works.
    """
    return min(interval_s, _AGAIN_S * 2.0 ** min(failures - 1, 16)) if failures else interval_s


def _copying(section: SyncSection, copies: CloudCache) -> Callable[[SyncStep], Awaitable[None]]:
    async def copy(step: SyncStep) -> None:
        found = await _by_id(section.list(), step)
        if found:  # an empty answer erases nothing
            step.changed = await copies.replace(section.kind, found)

    return copy


async def _by_id(rows: AsyncIterator[ApiRow], step: SyncStep) -> dict[int, CachedObject]:
    """Everything that a list has, by its id."""
    found: dict[int, CachedObject] = {}
    async for row in rows:
        step.seen += 1
        wire = write_row(row)
        if isinstance(id_ := wire.get("id"), int):
            found[id_] = wire
    return found


def _is_out_of_reach(steps: Sequence[SyncStep]) -> bool:
    """True where the first two sections got no answer at all: the others would only wait for theirs."""
    return all(step.unanswered for step in steps[:2])


async def _attempt(step: SyncStep, job: Callable[[SyncStep], Awaitable[None]]) -> None:
    step.state = "running"
    try:
        await job(step)
    except GatewayError as error:
        step.state, step.error = "failed", str(error)
        step.unanswered = isinstance(error, CloudUnavailableError)
        log.warning("sync_failed", section=step.name, reason=str(error))
    else:
        step.state = "done"
