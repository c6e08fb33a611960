"""How long to wait before the next attempt: exponential backoff with jitter, written once for the whole package.

`Backoff` is the policy, a pure function of the number of failures. `Retries` counts for a loop that tries again.
"""

import random
from dataclasses import dataclass
from typing import Final

_DOUBLINGS: Final = 64  # beyond this a float would overflow long after every sensible `longest_s`


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: `first_s` after the first failure in a row, doubled after each further one, `longest_s` at
    most.
    """

    first_s: float
    longest_s: float

    def pause_s(self, failures: int) -> float:
        """The pause after so many failures in a row (1, 2 …)."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, _DOUBLINGS))


class Retries:
    """The pauses of one loop. With `chance` each is shortened at random by up to a half, so that many gateways that
    lost the same server do not come back in the same second.
    """

    def __init__(self, backoff: Backoff, chance: random.Random | None = None) -> None:
        self._backoff = backoff
        self._chance = chance
        self._next_s = backoff.first_s

    def next_pause_s(self, longest_s: float | None = None) -> float:
        """The pause before the next attempt; `longest_s` stands in for the policy's where the failure asks for it."""
        pause_s = min(self._next_s, self._backoff.longest_s if longest_s is None else longest_s)
        self._next_s = 2 * pause_s
        return pause_s if self._chance is None else pause_s * self._chance.uniform(0.5, 1.0)

    def reset_if_lasted(self, lasted_s: float) -> None:
        """Count an attempt that lasted more than twice the next pause as a success, however it ended."""
        if lasted_s > 2 * self._next_s:
            self.reset()

    def reset(self) -> None:
        """An attempt succeeded: the next failure is the first again."""
        self._next_s = self._backoff.first_s
