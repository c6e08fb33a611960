"""The sync: runs at start, at an interval and on request; section by section, each with its own outcome.

A section that fails leaves what is known of it unchanged, and the next ones are still synced. Records are merged by
`records`; the other sections are copied into the store's cloud cache.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec.structs import replace

from gatewayd.backoff import Backoff
from gatewayd.cloud.access_control import AccessControl, grants_from, own_homes, usernames_by_id
from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.errors import CloudUnavailableError, RefusedByCloudError, UnreadableAnswerError
from gatewayd.cloud.rest.homes import Home
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.objects import ApiObject, ObjectT, decode_object, encode_object
from gatewayd.cloud.sync.progress import StepState, SyncProgress, SyncStep
from gatewayd.cloud.sync.records import RecordSync
from gatewayd.model.errors import CloudError, GatewayError, StoreError
from gatewayd.store.cloud_cache import CachedObject, CloudCache
from gatewayd.store.mirror import Mirror
from gatewayd.trusted_time import BestClock

log = structlog.get_logger()

_FIRST_RETRY_S: Final = 30.0

# The kinds of objects in the cloud cache, which are also the names of their steps.
_AUTHORIZATION, _HOME, _MEMBER, _PROFILE = "authorization", "home", "member", "profile"

_ACCESS_SECTIONS: Final = frozenset({_AUTHORIZATION, _MEMBER, _PROFILE, "record"})
"""What permissions are made of: while one of these failed, they are not confirmed."""

SyncJob = Callable[[SyncStep], Awaitable[None]]
"""Syncs one section and counts in the step. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class SyncSection:
    """A section whose objects are copied into the cloud cache under `kind`; `list` lists them in the cloud."""

    kind: str
    list: Callable[[], AsyncIterator[ApiObject]]


class Sync:
    """Runs the sync. `progress` is that of the latest run."""

    def __init__(
        self,
        client: CloudClient,
        mirror: Mirror,
        cache: CloudCache,
        access: AccessControl,
        clock: BestClock,
        *,
        interval_s: float,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._cache = cache
        self._access = access
        self._clock = clock
        self._interval_s = interval_s
        self._run_requested = asyncio.Event()
        self.progress = SyncProgress()
        self._sections = (
            SyncSection(_HOME, client.homes.list),
            SyncSection("space", client.spaces.list),
            SyncSection(_MEMBER, client.members.list),
            SyncSection("key", client.keys.list),
            SyncSection("temporary_password", client.temporary_passwords.list),
            SyncSection("version", client.versions.list),
        )
        self._update_access()

    def request_run(self) -> int:
        """Start a run now, or after the one in progress; returns the number of the run that starts after this call."""
        self._run_requested.set()
        return self.progress.number + 1

    async def run(self) -> None:
        """Sync at start, then at every interval and on request, until cancelled."""
        failures = 0
        while True:
            self._run_requested.clear()
            await self._run_once()
            if not self.progress.any_failed:
                failures = 0
            elif self.progress.any_done:
                failures += 1
            else:
                failures = 1  # the cloud was unreachable: no section is to blame
            try:
                async with asyncio.timeout(pause_s_after(failures, self._interval_s)):
                    await self._run_requested.wait()
            except TimeoutError:
                continue

    async def _run_once(self) -> None:
        jobs: list[tuple[str, SyncJob]] = [
            ("timestamp", self._sync_clock),
            ("record", RecordSync(self._client, self._mirror).run),
            (_PROFILE, self._sync_profile),
            *((section.kind, _copy_job(section, self._cache)) for section in self._sections),
            (_AUTHORIZATION, self._sync_authorizations),
        ]
        steps = [SyncStep(name) for name, _ in jobs]
        self.progress = SyncProgress(self.progress.number + 1, running=True, steps=steps)
        suspensions = self._access.suspensions
        for step, (_, job) in zip(steps, jobs, strict=True):
            if _is_cloud_unreachable(steps):
                step.state, step.error = StepState.FAILED, "not tried: the first two sections got no answer"
            else:
                await _run_step(step, job)
        self._update_access()
        if all(step.state is StepState.DONE for step in steps if step.name in _ACCESS_SECTIONS):
            await self._confirm_access(suspensions)
        self.progress.running = False
        changed = {step.name: step.changed for step in steps if step.changed}
        log.info("synced", failed=[step.name for step in steps if step.error], **changed)

    async def _confirm_access(self, suspensions: int) -> None:
        try:
            await self._access.confirm(suspensions)
        except StoreError as error:
            log.error("access_not_confirmed", reason=str(error))  # noqa: TRY400

    async def _sync_clock(self, step: SyncStep) -> None:
        """§2.13."""
        self._clock.set_cloud_time(await self._client.service.timestamp())
        step.received = 1

    async def _sync_profile(self, step: SyncStep) -> None:
        """§1.4: the gateway's own account."""
        profile = replace(await self._client.accounts.profile(), token=None)
        step.received = 1
        step.changed = await self._cache.replace(_PROFILE, {profile.id: encode_object(profile)})

    async def _sync_authorizations(self, step: SyncStep) -> None:
        """§2.2. An authorization that is no longer listed is fetched by its id, so that a bad list revokes nothing.

        Where the cloud refuses to show it, for whatever reason, it is revoked. Where no answer comes it stays, and the
        others are still revoked or added.
        """
        found = await _fetch_by_id(self._client.authorizations.list(), step)
        known = self._cache.of(_AUTHORIZATION)
        failure: CloudError | None = None
        for id_ in known.keys() - found.keys():
            try:
                found[id_] = encode_object(await self._client.authorizations.get(id_))
            except RefusedByCloudError as error:
                log.info("authorization_revoked", id=id_, reason=str(error))
            except CloudError as error:
                found[id_], failure = known[id_], error
        step.changed = await self._cache.replace(_AUTHORIZATION, found)
        if failure is not None:
            raise failure

    def _update_access(self) -> None:
        """Set the permissions from the cloud cache: they hold after a restart without the cloud, too."""
        members = _decode_cached(self._cache.of(_MEMBER), Member, _MEMBER)
        profiles = _decode_cached(self._cache.of(_PROFILE), UserProfile, _PROFILE)
        authorizations = _decode_cached(self._cache.of(_AUTHORIZATION), Authorization, _AUTHORIZATION)
        homes = _decode_cached(self._cache.of(_HOME), Home, _HOME)
        profile = profiles[0] if profiles else None
        usernames = usernames_by_id(members, profile, own_homes(homes, profile))
        self._access.set_grants(grants_from(authorizations, usernames))


def _decode_cached(objects: Mapping[int, CachedObject], kind: type[ObjectT], name: str) -> list[ObjectT]:
    """The objects of the cache. One that another version wrote, and this one cannot read, is left out and logged."""
    decoded: list[ObjectT] = []
    for id_, cached in objects.items():
        try:
            decoded.append(decode_object(cached, kind, f"{name} {id_}"))
        except UnreadableAnswerError as error:
            log.warning("cached_object_ignored", kind=name, id=id_, reason=str(error))
    return decoded


def pause_s_after(failures: int, interval_s: float) -> float:
    """Seconds until the next run, after so many failed runs in a row (0: the last one succeeded).

    It grows, so that one section that always fails does not make the gateway fetch all of them every half minute.
    """
    return Backoff(_FIRST_RETRY_S, longest_s=interval_s).pause_s(failures) if failures else interval_s


def _copy_job(section: SyncSection, cache: CloudCache) -> SyncJob:
    async def copy(step: SyncStep) -> None:
        found = await _fetch_by_id(section.list(), step)
        if found:  # an empty answer erases nothing
            step.changed = await cache.replace(section.kind, found)

    return copy


async def _fetch_by_id(objects: AsyncIterator[ApiObject], step: SyncStep) -> dict[int, CachedObject]:
    """All objects of a list as JSON, by their ids."""
    found: dict[int, CachedObject] = {}
    async for object_ in objects:
        step.received += 1
        encoded = encode_object(object_)
        if isinstance(id_ := encoded.get("id"), int):
            found[id_] = encoded
    return found


def _is_cloud_unreachable(steps: Sequence[SyncStep]) -> bool:
    """True where the first two sections got no answer at all: the others would only wait for theirs."""
    return all(step.got_no_answer for step in steps[:2])


async def _run_step(step: SyncStep, job: SyncJob) -> None:
    step.state = StepState.RUNNING
    try:
        await job(step)
    except GatewayError as error:
        step.state, step.error = StepState.FAILED, str(error)
        step.got_no_answer = isinstance(error, CloudUnavailableError)
        log.warning("sync_section_failed", section=step.name, reason=str(error))
    except Exception as error:  # a fault of ours, or an answer nobody thought of: the next section is synced
        step.state, step.error = StepState.FAILED, repr(error)[:200]
        log.exception("sync_section_crashed", section=step.name)
    else:
        step.state = StepState.DONE
