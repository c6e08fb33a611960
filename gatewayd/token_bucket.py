"""A token bucket: so many at once, and so many a second on average. Pure: time is a parameter, in monotonic seconds."""

from dataclasses import dataclass
from typing import Final

_ROUNDING: Final = 1e-6
"""A bucket that is filled in many small steps reaches a whole token at the expected time all the same."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` a second on average, and up to `burst` at once after a pause."""

    per_s: float
    burst: float


class TokenBucket:
    """It holds up to `rate.burst`, starts full, and gains `rate.per_s` a second."""

    __slots__ = ("_level", "_rate", "_updated_at")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = rate.burst
        self._updated_at = now

    def level(self, now: float) -> float:
        """What it holds now; below zero after `overdraw`."""
        self._level = min(self._rate.burst, self._level + max(0.0, now - self._updated_at) * self._rate.per_s)
        self._updated_at = now
        return self._level

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Remove `amount` and return True, if the bucket holds that much; else False, and nothing is removed."""
        if self.level(now) < amount - _ROUNDING:
            return False
        self._level -= amount
        return True

    def overdraw(self, now: float, least: float) -> float:
        """Remove one, whether it is there or not, down to `least` (below zero); returns what is left."""
        self._level = max(self.level(now) - 1, least)
        return self._level
