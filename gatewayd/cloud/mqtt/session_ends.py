"""How the attempts to connect went: what is to be suspected, and how long to wait before the next. Pure."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from gatewayd.backoff import Retries

_YOUNG_S: Final = 60.0
"""A connection that ends sooner has not worked: the pauses go on growing."""
_MANY_TAKEN: Final = 3
_EAGER_FOR_S: Final = 60.0
_EAGER_PAUSE_S: Final = 5.0

TAKEN_OVER: Final = 142

_PAUSES: Final[tuple[tuple[frozenset[int], float, float], ...]] = (
    # codes of CONNACK and DISCONNECT, shortest and longest pause in seconds
    (frozenset({4, 5, 134, 135, 138, 140}), 1.0, 600.0),  # the account: too many attempts lock it
    (frozenset({TAKEN_OVER}), 15.0, 600.0),  # two clients with one id end each other's connections
    (frozenset({137, 150, 151, 159}), 5.0, 300.0),  # busy, too many messages, quota, too many connections
    (frozenset({152, 156, 157}), 5.0, 600.0),  # an administrator, another server
)


def pause_after(code: int | None) -> tuple[float, float]:
    """The shortest and the longest pause before the next attempt, in seconds, after an end with this reason code."""
    return next(((shortest, longest) for codes, shortest, longest in _PAUSES if code in codes), (0.0, 60.0))


class EndKind(Enum):
    """How an attempt ended."""

    NOBODY_LISTENS = auto()
    """TCP was refused: the broker is down, or starting."""
    REFUSED = auto()
    """No connection came about otherwise, or we ended it."""
    LOST = auto()
    """The other side, or the network, ended a connection before it was subscribed."""
    LOST_SUBSCRIBED = auto()
    """Likewise one that was subscribed."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The end of an attempt that lasted `lasted_s`. `is_explained`: the message at fault has been found."""

    kind: EndKind
    lasted_s: float
    code: int | None = None
    is_explained: bool = False


class SessionEnds:
    """The ends in a row. `retries` holds the pauses, which grow until a connection has worked."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._taken = 0  # connections that were subscribed, ended young and without a word, in a row
        self._is_down = False
        self._eager_until = 0.0

    @property
    def may_be_taken_over(self) -> bool:
        """Whether another client may be ending our connections, as one with our client id does.

        A broker that was restarted refuses an attempt or two in between.
        """
        return self._taken >= _MANY_TAKEN

    def pause_s(self, end: SessionEnd, now: float) -> float:
        """Take note of an end; how long to wait before the next attempt.

        A broker that is being restarted is asked often for a minute.
        """
        has_worked = end.lasted_s >= _YOUNG_S
        is_down = end.kind is EndKind.NOBODY_LISTENS
        is_taken = end.kind is EndKind.LOST_SUBSCRIBED and end.code is None and not has_worked and not end.is_explained
        self._taken = self._taken + 1 if is_taken else 0
        if has_worked or (is_down and not self._is_down):
            self._eager_until = now + _EAGER_FOR_S
        if has_worked or end.is_explained or (is_down and not self._is_down):
            self._retries.reset()
        self._is_down = is_down
        shortest_s, longest_s = pause_after(end.code)
        if end.code is None and now < self._eager_until:
            longest_s = _EAGER_PAUSE_S
        return max(shortest_s, self._retries.next_pause_s(longest_s))
