"""What the simulated house has yet to do: one heap of times, one timer of the event loop, no task a device.

Without a loop it can be driven by hand: `run_due` does what is due.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FEW = 64


class ScheduledAction:
    """Something planned; cancelled entries are swept out once they are many."""

    __slots__ = ("_scheduler", "action", "at")

    def __init__(self, scheduler: "Scheduler", at: float, action: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self.at = at
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        if self.action is not None:
            self.action = None
            self._scheduler.note_cancelled()


class Scheduler:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        """Seconds on the clock that entries are set by (the event loop's own by default)."""
        self._heap: list[tuple[float, int, ScheduledAction]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How much is planned, what was cancelled but not yet swept out included."""
        return len(self._heap)

    def at(self, when: float, action: Callable[[], None]) -> ScheduledAction:
        entry = ScheduledAction(self, when, action)
        heapq.heappush(self._heap, (when, next(self._numbers), entry))
        if self._heap[0][2] is entry:
            self._arm()
        return entry

    def after(self, delay: float, action: Callable[[], None]) -> ScheduledAction:
        return self.at(self.now() + delay, action)

    def run_due(self) -> None:
        """Do, in order, everything whose time has come."""
        now = self.now()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)[2]
            action, entry.action = entry.action, None
            if action is None:
                self._cancelled -= 1
            else:
                action()
        self._arm()

    def note_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > max(_FEW, len(self._heap) // 2):
            self._heap = [row for row in self._heap if row[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Let the running event loop do what is due, as long as the context lasts."""
        if self._loop is not None:
            yield  # served twice, on two ports: the first context drives for both
            return
        self._loop = asyncio.get_running_loop()
        self._arm()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop = None

    def _arm(self) -> None:
        if self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self.now())
            self._timer = self._loop.call_later(delay, self.run_due)
