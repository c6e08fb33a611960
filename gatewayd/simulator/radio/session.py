"""One host's connection: bytes in and out, framed by `ash`, meant for `ncp`, spoilt by `faults`.

No I/O: it is given what arrived and a function to write with. Sockets are `server`'s.
"""

from collections import deque
from collections.abc import Callable

from gatewayd.simulator.radio.ash import RESET_EXTERNAL, RESET_SOFTWARE, Ash, Event, FrameReader, HostReset
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.ncp import Ncp, Ticket
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler

_HANGING_S = 0.1
"""How often a coordinator that hangs is looked at again: its own clocks stand still meanwhile."""


class DelayLine:
    """One direction of the line: things pass in order, at once or after the line's delay."""

    def __init__(self, scheduler: Scheduler, passes: Callable[[bytes], None]) -> None:
        self._scheduler = scheduler
        self._passes = passes
        self._busy_until = 0.0

    def carry(self, data: bytes, delay_s: float) -> None:
        now = self._scheduler.now()
        if not delay_s and self._busy_until <= now:
            self._passes(data)
            return
        self._busy_until = max(self._busy_until, now + delay_s)
        self._scheduler.at(self._busy_until, lambda: self._passes(data))


class HostSession:
    """One connected host: ASH state, and the frames between it and the coordinator."""

    def __init__(
        self,
        ncp: Ncp,
        scheduler: Scheduler,
        faults: RadioFaults,
        *,
        write: Callable[[bytes], None],
        abort: Callable[[], None],
    ) -> None:
        """`write` sends bytes to the host, `abort` ends its connection at once."""
        self._ncp = ncp
        self._scheduler = scheduler
        self._faults = faults
        self._to_host = DelayLine(scheduler, write)
        self._from_host = DelayLine(scheduler, self._arrived)
        self._abort = abort
        self._ended = False
        self._ash = Ash()
        self._reader = FrameReader()
        self._tickets: deque[tuple[int, Ticket]] = deque()
        self._timer: ScheduledAction | None = None
        self._receiving = False

    def begin(self, *, announce: bool) -> None:
        """The host has connected; `announce` sends RSTACK without being asked."""
        self._ncp.host = self
        self._faults.lines.append(self)
        if announce:
            self.reset(RESET_EXTERNAL)

    def end(self) -> None:
        """The host has gone."""
        if self in self._faults.lines:
            self._faults.lines.remove(self)
        if self._ncp.host is self:
            self._ncp.host = None
        if self._timer is not None:
            self._timer.cancel()
        self._ended = True

    def received(self, data: bytes) -> None:
        self._from_host.carry(data, self._faults.line_delay_s)

    def callback(self, frame: bytes) -> None:
        """Send an unasked frame. Before the host's reset there is nobody to hear it, and who hangs says nothing."""
        if self._ash.connected and not self._faults.silent:
            self._ash.send(frame, self._scheduler.now())
            if not self._receiving:
                self._flush()

    # What faults do to it.

    def reset(self, reason: int) -> None:
        self._ncp.power_cycle()
        self._tickets.clear()
        self._ash.reset(reason)
        self._flush()

    def fail(self, code: int) -> None:
        self._ash.fail(code)
        self._flush()

    def cut(self) -> None:
        self._abort()

    def _arrived(self, data: bytes) -> None:
        if self._ended:
            return
        now = self._scheduler.now()
        self._receiving = True
        try:
            for carried in self._reader.feed(data):
                for frame in self._faults.inbound(carried):
                    for event in self._ash.receive(frame, now):
                        self._handle(event, now)
            while self._tickets and self._tickets[0][0] <= self._ash.acknowledged:
                self._tickets.popleft()[1].confirm()
        finally:
            self._receiving = False
        self._flush()

    def _handle(self, event: Event, now: float) -> None:
        if isinstance(event, HostReset):
            self.reset(RESET_SOFTWARE)
            return
        response = self._ncp.handle(event.data)
        if response is not None:
            self._tickets.append((self._ash.send(response, now), self._ncp.ticket))
        self._ncp.release()

    def _flush(self) -> None:
        frames = [out for frame in self._ash.frames_to_send() for out in self._faults.outbound(frame)]
        if frames and not self._ended:
            self._to_host.carry(b"".join(frames), self._faults.line_delay_s)
        self._arm()

    def _arm(self) -> None:
        """Keep one agenda entry for retransmission; it moves only when it comes up too early."""
        if self._timer is None and self._ash.deadline is not None:
            self._timer = self._scheduler.at(self._ash.deadline, self._tick)

    def _tick(self) -> None:
        if self._faults.silent:
            self._timer = self._scheduler.after(_HANGING_S, self._tick)
            return
        self._timer = None
        self._ash.tick(self._scheduler.now())
        self._flush()
