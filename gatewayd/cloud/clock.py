"""The cloud's clock (§2.13): an offset, held against the loop's own time, so that a jump of the board's clock is none
of a request's age.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_NOT_BEFORE = datetime(2026, 11, 1, tzinfo=UTC)


class CloudClock:
    """What the cloud's clock says now; None until the cloud has said it once.

    `monotonic` gives seconds that never jump (the loop's `time`).
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at_zero: datetime | None = None

    def set(self, timestamp: int) -> None:
        """The cloud said just now that it is `timestamp` (Unix seconds)."""
        self._at_zero = datetime.fromtimestamp(timestamp, UTC) - timedelta(seconds=self._monotonic())

    def now(self) -> datetime | None:
        """The time in the cloud."""
        return None if self._at_zero is None else self._at_zero + timedelta(seconds=self._monotonic())


def is_stale(sent_at: datetime | None, now: datetime | None, ttl: timedelta) -> bool:
    """Whether a request sent at `sent_at` came too late at `now`.

    A request without a stamp is as old as its arrival. While the cloud's time is unknown (`now` None) only what is
    certain counts: a board whose own clock starts in 1970 would refuse every key, but no request is older than this
    program. A stamp from the future is a phone whose clock is fast, not a late request.
    """
    return sent_at is not None and (now or _NOT_BEFORE) - sent_at > ttl
