"""The cloud's clock (§2.13): an offset, held against the loop's own time, so that a jump of the board's clock is none
of a request's age.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


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
