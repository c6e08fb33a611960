"""What each user may do with each device (§7): the owner everything, others what the cloud has authorized (§2.2).

Authorizations name users by id, topics by username; the members of the account's homes (§2.7) and the profile (§1.4)
relate the two. `cloud/sync` fetches all of these; `commands/` checks requests by the result.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.homes import Home
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Uuid, is_topic_level
from gatewayd.model.permission import Grant, Permission
from gatewayd.model.ports import Clock, FactStore, RecordReader

log = structlog.get_logger()

_LEVELS = frozenset(Permission)
_SUSPENDED_FACT: Final = "access-suspended"  # JSON: uuids, or "*" for every device
_CONFIRMED_FACT: Final = "access-confirmed-at"  # Unix seconds
_EVERY_DEVICE: Final = "*"


class AccessControl:
    """The permissions of all users on all devices. `version` changes with each change of a permission.

    Grants are trusted for `grants_valid` after the last sync that confirmed them, and not while they are suspended: a
    user other than the owner may then do no more than query. Both outlive a restart.
    """

    def __init__(
        self, owner: str, records: RecordReader, facts: FactStore, clock: Clock, *, grants_valid: timedelta
    ) -> None:
        self._owner = owner
        self._records = records
        self._facts = facts
        self._clock = clock
        self._grants_valid = grants_valid
        self._levels: Mapping[int, Mapping[str, Permission]] = {}  # by the record's id, then by username
        self._suspended = _decode_suspended(facts.get(_SUSPENDED_FACT))
        self._suspensions = 0
        self._confirmed_at = _decode_time(facts.get(_CONFIRMED_FACT))
        self._was_valid = self._is_valid()
        self.version = 0
        self._version_changed = asyncio.Event()

    def set_grants(self, grants: Iterable[Grant]) -> None:
        """Replace all permissions of users other than the owner by `grants`; of two for one user and device the lower
        holds.
        """
        levels: dict[int, dict[str, Permission]] = {}
        for grant in grants:
            users = levels.setdefault(grant.record_id, {})
            users[grant.user] = min(grant.level, users.get(grant.user, grant.level))
        if levels != self._levels:
            self._levels = levels
            self._change_version()

    async def suspend(self, uuid: Uuid | None = None) -> None:
        """The owner says that permissions on this device have changed (on every device, for None): let nobody else
        control it until a sync has fetched them.

        It holds at once, and over a restart once this returns. Raises StoreError.
        """
        self._suspensions += 1
        self._suspended = self._suspended | {_EVERY_DEVICE if uuid is None else uuid}
        self._change_version()
        await self._facts.set(_SUSPENDED_FACT, msgspec.json.encode(sorted(self._suspended)))

    @property
    def suspensions(self) -> int:
        """How often `suspend` was called: a sync reads it when it begins, and gives it to `confirm`."""
        return self._suspensions

    async def confirm(self, suspensions: int) -> None:
        """A sync has fetched all permissions: what was suspended before it began ends. Raises StoreError."""
        self._confirmed_at = self._clock.now()
        self._note_validity()
        await self._facts.set(_CONFIRMED_FACT, str(int(self._confirmed_at.timestamp())).encode())
        if self._suspended and suspensions == self._suspensions:
            self._suspended = frozenset()
            self._change_version()
            await self._facts.delete(_SUSPENDED_FACT)

    async def follow_validity(self, *, look_every_s: float = 10.0) -> None:
        """Change `version` when the grants have become too old to be trusted, until cancelled: what was published for
        a user of a higher level is published anew then. `level` needs none of this.
        """
        while True:
            self._note_validity()
            await asyncio.sleep(look_every_s)

    async def next_version(self, version: int) -> int:
        """Wait until `self.version` is another than `version`, and return it. Any number of tasks may wait."""
        while self.version == version:
            await self._version_changed.wait()
        return self.version

    def topic_users(self, uuid: Uuid) -> tuple[str, ...]:
        """The owner and every user with an authorization on the device, `Permission.NONE` too: the users whose topics
        the gateway subscribes to. A user without permission is answered 权限不足.
        """
        return (self._owner, *sorted(self._granted_levels(uuid)))

    def is_owner(self, user: str) -> bool:
        """Whether `user` is the owner."""
        return user == self._owner

    def level(self, user: str, uuid: Uuid) -> Permission:
        """The permission of `user` on the device."""
        if user == self._owner:
            return Permission.DELETE
        granted = self._granted_levels(uuid).get(user, Permission.NONE)
        return granted if self._is_trusted(uuid) else min(granted, Permission.QUERY)

    def _is_trusted(self, uuid: Uuid) -> bool:
        if self._suspended and not self._suspended.isdisjoint({uuid, _EVERY_DEVICE}):
            return False
        return self._is_valid()

    def _is_valid(self) -> bool:
        return self._confirmed_at is None or self._clock.now() - self._confirmed_at <= self._grants_valid

    def _note_validity(self) -> None:
        if self._was_valid is not (is_valid := self._is_valid()):
            self._was_valid = is_valid
            log.info(
                "grants_valid_again" if is_valid else "grants_no_longer_valid", confirmed_at=str(self._confirmed_at)
            )
            self._change_version()

    def _granted_levels(self, uuid: Uuid) -> Mapping[str, Permission]:
        record = self._records.get(uuid)
        return {} if record is None or record.id is None else self._levels.get(record.id, {})

    def _change_version(self) -> None:
        self.version += 1
        self._version_changed.set()
        self._version_changed = asyncio.Event()


def _decode_suspended(fact: bytes | None) -> frozenset[str]:
    return frozenset() if fact is None else msgspec.json.decode(fact, type=frozenset[str])


def _decode_time(fact: bytes | None) -> datetime | None:
    return None if fact is None else datetime.fromtimestamp(int(fact), UTC)


def own_homes(homes: Iterable[Home], profile: UserProfile | None) -> frozenset[int] | None:
    """The ids of the homes (§2.11) whose members name people; None where none is known.

    Those of the gateway's own account, where it has any: others that it is shown are somebody else's.
    """
    known = [home for home in homes if home.id is not None]
    mine = [home for home in known if profile is not None and home.user_id == profile.id]
    return frozenset(home.id for home in mine or known if home.id is not None) or None


def usernames_by_id(
    members: Iterable[Member], profile: UserProfile | None, homes: Collection[int] | None = None
) -> dict[int, str]:
    """The usernames of the members of `homes` (None: of any), and of the gateway's own account, by user id.

    A user in another home is named by that home's owner: not by us. A name that cannot be a level of a topic has no
    topics, and an id with two names is nobody's: both are left out, and logged.
    """
    named = [
        (member.user_id, member.username)
        for member in members
        if member.user_id is not None
        and member.username
        and (homes is None or member.home_id is None or member.home_id in homes)
    ]
    found: dict[int, set[str]] = {}
    for user_id, name in named:
        found.setdefault(user_id, set()).add(name)
    if profile is not None:
        found[profile.id] = {profile.username}
    usernames: dict[int, str] = {}
    for user_id, names in found.items():
        name, *others = names
        if others:
            log.warning("username_ignored", user_id=user_id, reason=f"the id has {len(names)} names")
        elif not is_topic_level(name):
            log.warning("username_ignored", user_id=user_id, length=len(name), reason="it cannot be a topic's level")
        else:
            usernames[user_id] = name
    return usernames


def grants_from(authorizations: Iterable[Authorization], usernames: Mapping[int, str]) -> Iterator[Grant]:
    """The grants of `authorizations`. One whose user, device or level is unknown grants nothing, and is logged.

    Where several users have one name, or one user several levels on a device, the lowest holds, and it is logged; a
    user without an authorization has NONE.
    """
    ids: dict[str, list[int]] = {}
    for user_id, name in usernames.items():
        ids.setdefault(name, []).append(user_id)
    levels: dict[tuple[str, int], dict[int, list[Permission]]] = {}
    for one in authorizations:
        user = usernames.get(one.authorized_id) if one.authorized_id is not None else None
        if user is None or one.authorized_id is None or one.info_id is None or one.perm not in _LEVELS:
            log.warning("authorization_ignored", id=one.id, authorized_id=one.authorized_id, perm=one.perm)
            continue
        given = levels.setdefault((user, one.info_id), {})
        given.setdefault(one.authorized_id, []).append(Permission(one.perm))
    for (user, record_id), given in levels.items():
        candidates = [level for user_id in ids[user] for level in given.get(user_id, [Permission.NONE])]
        if len(candidates) > 1:
            log.warning(
                "authorizations_clash", user_ids=ids[user], info_id=record_id, levels=candidates, taken=min(candidates)
            )
        yield Grant(user, record_id, min(candidates))
