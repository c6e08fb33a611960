"""The cloud's time (§2.13): an offset to a monotonic clock, so that a jump of the board's clock does not change it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class CloudClock:
    """The cloud's time as of the last `set`. `monotonic` returns seconds that never jump, as the loop's `time` does."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at_zero: datetime | None = None  # the cloud's time when `monotonic` was 0

    def set(self, timestamp: int) -> None:
        """Set the clock to `timestamp` (Unix seconds), the cloud's time at this moment."""
        self._at_zero = datetime.fromtimestamp(timestamp, UTC) - timedelta(seconds=self._monotonic())

    def now(self) -> datetime | None:
        """The cloud's time (UTC); None before the first `set`."""
        return None if self._at_zero is None else self._at_zero + timedelta(seconds=self._monotonic())
