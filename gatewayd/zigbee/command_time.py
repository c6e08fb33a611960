"""How the time until a request's answer is divided over a command: sending, the device's response, a read, a reset.

Pure, but for the event loop's clock. Loop times and seconds.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

ANSWER_RESERVE_S: Final = 0.1
"""Left for the answer itself, before its deadline."""

_RESET_S: Final = 0.7  # a coordinator that is asked to forget a lock's command
_READ_S: Final = 1.2  # a device's state, after its response has not come
_RESPONSE_S: Final = 0.6  # the shortest wait for a response with which a command is sent at all
_SILENT_LOCK_PAUSE_S: Final = 60.0
_DEADLINE_S: Final = 9.5  # of a command for which nobody waits

MIN_LOCK_TIME_S: Final = ANSWER_RESERVE_S + _RESET_S + _READ_S + _RESPONSE_S


@dataclass(frozen=True, slots=True)
class CommandTime:
    """Until when the device's response is awaited, and after that its state."""

    response_by: float
    state_by: float


@dataclass(frozen=True, slots=True)
class DiscardedCommand:
    """A lock's command that a reset of the radio has discarded, at the loop time `at`; `heard_at` is when the lock had
    last been heard then. Each reset costs the whole home some seconds, and a guest may ask as often as he likes.
    """

    at: float
    heard_at: float

    def is_recent(self, now: float, heard_at: float) -> bool:
        """True: the lock, which was last heard at `heard_at`, is not to be asked again yet."""
        return now - self.at < _SILENT_LOCK_PAUSE_S and heard_at <= self.heard_at


def command_time(answer_by: float, round_trip_s: float, *, is_lock: bool) -> CommandTime:
    """Divide the time until `answer_by`; `round_trip_s` is what the line to the coordinator takes."""
    state_by = answer_by - ANSWER_RESERVE_S - (_RESET_S + round_trip_s if is_lock else 0.0)
    return CommandTime(state_by - _READ_S - 2 * round_trip_s, state_by)


def time_needed_s(round_trip_s: float, *, is_lock: bool) -> float:
    """How much must be left before a command is sent. To send takes bellows two round trips for a sleepy device."""
    response = command_time(0.0, round_trip_s, is_lock=is_lock).response_by
    return _RESPONSE_S + 3 * round_trip_s - response


def default_deadline() -> float:
    """A deadline for a command that no request with one asked for."""
    return asyncio.get_running_loop().time() + _DEADLINE_S
