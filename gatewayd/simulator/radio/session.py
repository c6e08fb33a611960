"""One host's connection: takes and gives bytes, frames them by `ash`, passes requests to `ncp`, applies `faults`.

No I/O: it is called with what has arrived, and given functions to send and to disconnect. Sockets are `server`'s.
"""

from collections import deque
from collections.abc import Callable

from gatewayd.simulator.radio.ash import Ash, Event, FrameReader, HostReset, ResetReason
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.ncp import Ncp, PendingAck
from gatewayd.simulator.radio.scheduler import ScheduledAction, Scheduler

_HANG_CHECK_S = 0.1
"""How often the timer of a coordinator that hangs is tried again: its own clock stands still meanwhile."""

_BUFFERS = 255
"""Frames that wait for a host that does not take them; what devices send then is lost (EZSP's packet buffers)."""


class _DelayLine:
    """One direction of the connection: passes bytes on in order, at once or after the delay."""

    def __init__(self, scheduler: Scheduler, pass_on: Callable[[bytes], None]) -> None:
        self._scheduler = scheduler
        self._pass_on = pass_on
        self._busy_until = 0.0

    def send(self, data: bytes, delay_s: float) -> None:
        now = self._scheduler.now()
        if not delay_s and self._busy_until <= now:
            self._pass_on(data)
            return
        self._busy_until = max(self._busy_until, now + delay_s)
        self._scheduler.at(self._busy_until, lambda: self._pass_on(data))


class HostSession:
    """One connected host: its ASH state, and the frames between it and the coordinator."""

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
        self._to_host = _DelayLine(scheduler, write)
        self._from_host = _DelayLine(scheduler, self._handle_bytes)
        self._abort = abort
        self._ended = False
        self._ash = Ash()
        self._reader = FrameReader()
        self._pending_acks: deque[tuple[int, PendingAck]] = deque()
        self._timer: ScheduledAction | None = None
        self._is_receiving = False

    def begin(self, *, announce: bool) -> None:
        """The host has connected; `announce` sends RSTACK without being asked."""
        self._ncp.host = self
        self._faults.connections.append(self)
        if announce:
            self.reset(ResetReason.EXTERNAL)

    def end(self) -> None:
        """The host has disconnected."""
        if self in self._faults.connections:
            self._faults.connections.remove(self)
        if self._ncp.host is self:
            self._ncp.host = None
        if self._timer is not None:
            self._timer.cancel()
        self._ended = True

    def received(self, data: bytes) -> None:
        """Bytes have arrived from the host."""
        self._from_host.send(data, self._faults.connection_delay_s)

    @property
    def is_full(self) -> bool:
        """Whether the coordinator's buffers hold as many frames for the host as they can."""
        return self._ash.waiting >= _BUFFERS

    def callback(self, frame: bytes) -> None:
        """Send a frame that the host has not asked for; dropped before the host's reset, and while the NCP hangs."""
        if self._ash.connected and not self._faults.ncp_hangs:
            self._ash.send(frame, self._scheduler.now())
            if not self._is_receiving:
                self._flush()

    # For `faults`.

    def reset(self, reason: int) -> None:
        self._ncp.power_cycle()
        self._ncp.medium.drop_buffered()
        self._pending_acks.clear()
        self._ash.reset(reason)
        self._flush()

    def fail(self, code: int) -> None:
        self._ash.fail(code)
        self._flush()

    def cut(self) -> None:
        self._abort()

    def _handle_bytes(self, data: bytes) -> None:
        if self._ended:
            return
        now = self._scheduler.now()
        self._is_receiving = True
        try:
            for sent in self._reader.feed(data):
                for frame in self._faults.inbound(sent):
                    for event in self._ash.receive(frame, now):
                        self._handle(event, now)
            while self._pending_acks and self._pending_acks[0][0] <= self._ash.acknowledged:
                self._pending_acks.popleft()[1].confirm()
        finally:
            self._is_receiving = False
        self._flush()

    def _handle(self, event: Event, now: float) -> None:
        if isinstance(event, HostReset):
            self.reset(ResetReason.SOFTWARE)
            return
        response = self._ncp.handle(event.data)
        if response is not None:
            self._pending_acks.append((self._ash.send(response, now), self._ncp.pending_ack))
        self._ncp.send_queued_callbacks()

    def _flush(self) -> None:
        frames = [sent for frame in self._ash.frames_to_send() for sent in self._faults.outbound(frame)]
        if frames and not self._ended:
            self._to_host.send(b"".join(frames), self._faults.connection_delay_s)
        self._start_timer()

    def _start_timer(self) -> None:
        """Keep one scheduled action for retransmission; where it comes too early, it is scheduled again."""
        if self._timer is None and self._ash.deadline is not None:
            self._timer = self._scheduler.at(self._ash.deadline, self._tick)

    def _tick(self) -> None:
        if self._faults.ncp_hangs:
            self._timer = self._scheduler.after(_HANG_CHECK_S, self._tick)
            return
        self._timer = None
        self._ash.tick(self._scheduler.now())
        self._flush()
