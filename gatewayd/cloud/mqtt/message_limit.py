"""How many messages of one user are read: a guest may publish on his own topics as fast as the broker takes it.

Pure: the time is a parameter, in monotonic seconds. Unsubscribing from a muted user's topics is left to `publisher`.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gatewayd.token_bucket import Rate, TokenBucket

_MAX_USERS: Final = 256


@dataclass(frozen=True, slots=True)
class MessageRate:
    """`read`: how many messages of a user are read. One who sends `mute_after` more is muted for `mute_s`, and for
    twice as long each time that he goes on, up to `longest_mute_s`.
    """

    read: Rate
    mute_after: int
    mute_s: float
    longest_mute_s: float


GUEST_RATE: Final = MessageRate(Rate(per_s=0.5, burst=100), mute_after=100, mute_s=60.0, longest_mute_s=900.0)
"""An app that shows thirty devices may be opened three times in a row. Each request that is executed costs a durable
write of some 20 KB: a guest who sends all the time what he may costs the flash 860 MB a day.
"""


@dataclass(slots=True)
class _User:
    tokens: TokenBucket  # below zero: what he sent beyond his share
    mutes: int = 0  # in a row
    muted_until: float = 0.0


class MessageLimit:
    """Admits the messages of each user but the owner up to `rate`. What a muted user still sends counts too."""

    def __init__(self, owner: str, rate: MessageRate = GUEST_RATE) -> None:
        self._owner = owner
        self._rate = rate
        self._users: OrderedDict[str, _User] = OrderedDict()

    def is_owner(self, user: str) -> bool:
        """Whether `user` is the owner, who has no limit."""
        return user == self._owner

    def admit(self, user: str, now: float) -> bool:
        """Count a message of `user`; whether it is read."""
        if user == self._owner:
            return True
        found = self._of(user, now)
        is_admitted = found.tokens.level(now) >= 1 and found.muted_until <= now
        left = found.tokens.overdraw(now, -self._rate.mute_after)
        if left <= -self._rate.mute_after and found.muted_until <= now:
            mute_s = self._rate.mute_s * 2 ** min(found.mutes, 16)
            found.muted_until = now + min(mute_s, self._rate.longest_mute_s)
            found.mutes += 1
        return is_admitted

    def muted(self, now: float) -> frozenset[str]:
        """The users whose messages are not to be received."""
        return frozenset(name for name, user in self._users.items() if user.muted_until > now)

    def next_end(self, now: float) -> float | None:
        """When the next mute ends; None while nobody is muted."""
        return min((user.muted_until for user in self._users.values() if user.muted_until > now), default=None)

    def _of(self, user: str, now: float) -> _User:
        found = self._users.get(user)
        if found is None:
            found = self._users[user] = _User(TokenBucket(self._rate.read, now))
            if len(self._users) > _MAX_USERS:
                self._users.popitem(last=False)
        self._users.move_to_end(user)
        if found.tokens.level(now) >= self._rate.read.burst:
            found.mutes = 0
        return found
