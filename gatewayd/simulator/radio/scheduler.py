"""What a simulated network will do, and when: one heap of times and one timer of the event loop, no task per device.

Without an event loop a test calls `run_due` itself.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CANCELLED_BEFORE_CLEANUP = 64


class ScheduledAction:
    """An action with its time `at`."""

    __slots__ = ("_scheduler", "action", "at")

    def __init__(self, scheduler: "Scheduler", at: float, action: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self.at = at
        self.action: Callable[[], None] | None = action
        """None once it has run or was cancelled."""

    def cancel(self) -> None:
        """Not to be run; no effect where it has run."""
        if self.action is not None:
            self.action = None
            self._scheduler.note_cancelled()


class Scheduler:
    """Runs actions in the order of their times, those of the same time in the order in which they were scheduled."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        """Seconds on the clock that times refer to; by default the event loop's own."""
        self._heap: list[tuple[float, int, ScheduledAction]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many actions are held, including cancelled ones that are not yet removed."""
        return len(self._heap)

    def at(self, when: float, action: Callable[[], None]) -> ScheduledAction:
        """Run `action` at that time."""
        scheduled = ScheduledAction(self, when, action)
        heapq.heappush(self._heap, (when, next(self._numbers), scheduled))
        if self._heap[0][2] is scheduled:
            self._start_timer()
        return scheduled

    def after(self, delay: float, action: Callable[[], None]) -> ScheduledAction:
        """Run `action` after so many seconds."""
        return self.at(self.now() + delay, action)

    def run_due(self) -> None:
        """Run, in order, every action whose time has come."""
        now = self.now()
        while self._heap and self._heap[0][0] <= now:
            scheduled = heapq.heappop(self._heap)[2]
            action, scheduled.action = scheduled.action, None
            if action is None:
                self._cancelled -= 1
            else:
                action()
        self._start_timer()

    def note_cancelled(self) -> None:
        """Count a cancelled action, and remove all of them once they are many."""
        self._cancelled += 1
        if self._cancelled > max(_CANCELLED_BEFORE_CLEANUP, len(self._heap) // 2):
            self._heap = [row for row in self._heap if row[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Let the running event loop call `run_due` whenever an action is due, as long as the context lasts."""
        if self._loop is not None:
            yield  # served on two ports: the first context drives for both
            return
        self._loop = asyncio.get_running_loop()
        self._start_timer()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop = None

    def _start_timer(self) -> None:
        if self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self.now())
            self._timer = self._loop.call_later(delay, self.run_due)
