"""How many log lines of one key are written: a burst, then one a period that says how many were left out.

Pure: the time is a parameter, in monotonic seconds.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineRate:
    """`burst` lines at once, and one every `interval_s` on average."""

    burst: int
    interval_s: float


class LineAllowance:
    """What one key may still write. `suppressed`: its lines that were left out since its last one."""

    __slots__ = ("_filled_at", "_rate", "_tokens", "suppressed")

    def __init__(self, rate: LineRate, now: float) -> None:
        self._rate = rate
        self._tokens: float = rate.burst
        self._filled_at = now
        self.suppressed = 0

    def refill(self, now: float) -> None:
        """Add what the time since the last call allows."""
        self._tokens = min(self._rate.burst, self._tokens + (now - self._filled_at) / self._rate.interval_s)
        self._filled_at = now

    @property
    def is_whole(self) -> bool:
        """True where the next line is the first of a burst."""
        return self._tokens >= self._rate.burst

    @property
    def is_empty(self) -> bool:
        """True where no line may be written now."""
        return self._tokens < 1

    def take(self) -> int:
        """A line is written; returns how many were left out before it."""
        self._tokens -= 1
        suppressed, self.suppressed = self.suppressed, 0
        return suppressed


class LineAllowances:
    """The allowances of the `most` keys that were asked for last."""

    def __init__(self, rate: LineRate, most: int) -> None:
        self._rate = rate
        self._most = most
        self._of: OrderedDict[Hashable, LineAllowance] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._of

    def of(self, key: Hashable, now: float) -> LineAllowance:
        """The allowance of `key`, refilled; a whole one where the key is new, or was forgotten."""
        found = self._of.get(key)
        if found is None:
            found = self._of[key] = LineAllowance(self._rate, now)
            if len(self._of) > self._most:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(key)
            found.refill(now)
        return found
