"""What the mirrored authorizations and members come to: who may do what. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import structlog

from gatewayd.cloud.rest.accounts import User
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.members import Member
from gatewayd.model.permission import Grant, Permission

log = structlog.get_logger()

_LEVELS = frozenset(Permission)


def names(members: Iterable[Member], profile: User | None) -> dict[int, str]:
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
