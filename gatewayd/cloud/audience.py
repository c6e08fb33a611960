"""Who may ask things of a device (§7): the owner everything, others what the cloud has authorized (§2.2).

Authorizations name users by id and topics by name; members (§2.7) and the profile (§1.4) tie the two.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from gatewayd.model.permission import Grant, Permission
from gatewayd.model.record import Record
from gatewayd.model.words import Uuid


class Records(Protocol):
    """The mirror, as far as rights need it."""

    def get(self, uuid: Uuid) -> Record | None: ...


class Audience:
    """What each user may do with each device. `version` is another one after each change."""

    def __init__(self, owner: str, records: Records) -> None:
        self._owner = owner
        self._records = records
        self._levels: Mapping[int, Mapping[str, Permission]] = {}
        self.version = 0

    def learn(self, grants: Iterable[Grant]) -> None:
        """From now on these are all the rights that others than the owner have."""
        levels: dict[int, dict[str, Permission]] = {}
        for grant in grants:
            users = levels.setdefault(grant.record_id, {})
            users[grant.user] = max(grant.level, users.get(grant.user, Permission.NONE))
        if levels != self._levels:
            self._levels = levels
            self.version += 1

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
