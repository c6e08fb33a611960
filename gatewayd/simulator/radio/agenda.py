"""What the simulated house has yet to do: one heap of times, one timer of the event loop, no task a device.

Without a loop it can be driven by hand: `run_due` does what is due.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Entry:
    at: float
    number: int
    action: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.action = None


class Agenda:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        """Seconds on the clock that entries are set by (the event loop's own by default)."""
        self._heap: list[Entry] = []
        self._numbers = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float, action: Callable[[], None]) -> Entry:
        entry = Entry(when, next(self._numbers), action)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._arm()
        return entry

    def after(self, delay: float, action: Callable[[], None]) -> Entry:
        return self.at(self.now() + delay, action)

    def run_due(self) -> None:
        """Do, in order, everything whose time has come."""
        now = self.now()
        while self._heap and self._heap[0].at <= now:
            entry = heapq.heappop(self._heap)
            if entry.action is not None:
                entry.action()
        self._arm()

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
            delay = max(0.0, self._heap[0].at - self.now())
            self._timer = self._loop.call_later(delay, self.run_due)
