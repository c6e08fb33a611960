"""Who may ask things of a device (§7): the owner everything, others what the cloud has authorized (§2.2).

Authorizations name users by id and topics by name; members (§2.7) and the profile (§1.4) tie the two.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import structlog

from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Uuid
from gatewayd.model.permission import Grant, Permission
from gatewayd.model.ports import RecordReader

log = structlog.get_logger()

_LEVELS = frozenset(Permission)


class AccessControl:
    """What each user may do with each device. `version` is another one after each change."""

    def __init__(self, owner: str, records: RecordReader) -> None:
        self._owner = owner
        self._records = records
        self._levels: Mapping[int, Mapping[str, Permission]] = {}
        self.version = 0
        self._version_changed = asyncio.Event()

    def learn(self, grants: Iterable[Grant]) -> None:
        """From now on these are all the rights that others than the owner have."""
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

    def users_of(self, uuid: Uuid) -> tuple[str, ...]:
        """The users whose topics are listened to for this device; who is there without a right is told so."""
        return (self._owner, *sorted(self._others(uuid)))

    def level(self, user: str, uuid: Uuid) -> Permission:
        """What `user` may do with the device."""
        if user == self._owner:
            return Permission.DELETE
        return self._others(uuid).get(user, Permission.NONE)

    def _others(self, uuid: Uuid) -> Mapping[str, Permission]:
        record = self._records.get(uuid)
        return {} if record is None or record.id is None else self._levels.get(record.id, {})


def names(members: Iterable[Member], profile: UserProfile | None) -> dict[int, str]:
    """Users' names in topics by their id."""
    found = {one.user_id: one.username for one in members if one.user_id is not None and one.username}
    return found if profile is None else found | {profile.id: profile.username}


def grants(authorizations: Iterable[Authorization], users: Mapping[int, str]) -> Iterator[Grant]:
    """The rights that can be told whose they are; the others give nobody anything, and are logged."""
    for one in authorizations:
        user = users.get(one.authorized_id) if one.authorized_id is not None else None
        if user is None or one.info_id is None or one.perm not in _LEVELS:
            log.warning("authorization_not_understood", id=one.id, authorized_id=one.authorized_id, perm=one.perm)
            continue
        yield Grant(user, one.info_id, Permission(one.perm))
