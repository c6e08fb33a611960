"""What each user may do with each device (§7): the owner everything, others what the cloud has authorized (§2.2).

Authorizations name users by id, topics by username; members (§2.7) and the profile (§1.4) relate the two. `cloud/sync`
fetches all of these; `commands/` checks requests by the result.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import structlog

from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Uuid, is_topic_level
from gatewayd.model.permission import Grant, Permission
from gatewayd.model.ports import RecordReader

log = structlog.get_logger()

_LEVELS = frozenset(Permission)


class AccessControl:
    """The permissions of all users on all devices. `version` changes with each change of a permission."""

    def __init__(self, owner: str, records: RecordReader) -> None:
        self._owner = owner
        self._records = records
        self._levels: Mapping[int, Mapping[str, Permission]] = {}  # by the record's id, then by username
        self.version = 0
        self._version_changed = asyncio.Event()

    def set_grants(self, grants: Iterable[Grant]) -> None:
        """Replace all permissions of users other than the owner by `grants`."""
        levels: dict[int, dict[str, Permission]] = {}
        for grant in grants:
            users = levels.setdefault(grant.record_id, {})
            users[grant.user] = max(grant.level, users.get(grant.user, Permission.NONE))
        if levels != self._levels:
            self._levels = levels
            self.version += 1
            self._version_changed.set()
            self._version_changed = asyncio.Event()

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

    def level(self, user: str, uuid: Uuid) -> Permission:
        """The permission of `user` on the device."""
        if user == self._owner:
            return Permission.DELETE
        return self._granted_levels(uuid).get(user, Permission.NONE)

    def _granted_levels(self, uuid: Uuid) -> Mapping[str, Permission]:
        record = self._records.get(uuid)
        return {} if record is None or record.id is None else self._levels.get(record.id, {})


def usernames_by_id(members: Iterable[Member], profile: UserProfile | None) -> dict[int, str]:
    """The usernames of the home's members, and of the gateway's own account, by user id.

    A name that cannot be a level of a topic has no topics: it is left out, and logged.
    """
    named = [(member.user_id, member.username) for member in members if member.user_id is not None and member.username]
    if profile is not None:
        named.append((profile.id, profile.username))
    found: dict[int, str] = {}
    for user_id, name in named:
        if is_topic_level(name):
            found[user_id] = name
        else:
            log.warning("username_ignored", user_id=user_id, length=len(name), reason="it cannot be a topic's level")
    return found


def grants_from(authorizations: Iterable[Authorization], usernames: Mapping[int, str]) -> Iterator[Grant]:
    """The grants of `authorizations`. One whose user, device or level is unknown grants nothing, and is logged."""
    for one in authorizations:
        user = usernames.get(one.authorized_id) if one.authorized_id is not None else None
        if user is None or one.info_id is None or one.perm not in _LEVELS:
            log.warning("authorization_ignored", id=one.id, authorized_id=one.authorized_id, perm=one.perm)
            continue
        yield Grant(user, one.info_id, Permission(one.perm))
