"""What can go wrong, on demand: on the line between host and coordinator, and in the air. `network.faults.…`

The line asks `outbound` and `inbound` for each ASH frame, the air asks the rest; nothing here does I/O.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gatewayd.simulator.radio import ash, ezsp

Way = Literal["both", "to_host", "from_host"]


class HostConnection(Protocol):
    """A connected host, as the faults see it."""

    def reset(self, reason: int) -> None: ...
    def fail(self, code: int) -> None: ...
    def cut(self) -> None: ...


class Listener(Protocol):
    """A listening port, as the faults see it."""

    def open(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _FrameFaults:
    """What happens to the next frames of one direction."""

    drop: int = 0
    corrupt: int = 0
    duplicate: int = 0

    def take(self, frame: bytes, chance: random.Random) -> list[bytes]:
        if self.drop:
            self.drop -= 1
            return []
        if self.corrupt:
            self.corrupt -= 1
            return [_flip_one_bit(frame, chance)]
        if self.duplicate:
            self.duplicate -= 1
            return [frame, frame]
        return [frame]


def _flip_one_bit(frame: bytes, chance: random.Random) -> bytes:
    """Damage that a CRC finds, and that neither makes nor breaks a frame's end."""
    while True:
        place = chance.randrange(max(1, len(frame) - 1))
        flipped = frame[place] ^ 1 << chance.randrange(8)
        if flipped not in {ash.FLAG, ash.ESCAPE, ash.CANCEL, ash.SUBSTITUTE, ash.XON, ash.XOFF}:
            return frame[:place] + bytes((flipped,)) + frame[place + 1 :]


@dataclass(slots=True)
class RadioFaults:
    """All faults of a house. Counted ones wear off by themselves; `clear` ends the others."""

    chance: random.Random
    now: Callable[[], float]
    lines: list[HostConnection] = field(default_factory=list)
    silent: bool = False
    listeners: list[Listener] = field(default_factory=list)
    line_delay_s: float = 0.0
    delivery_timeout_s: float = 0.1
    """How long the coordinator tries before it says that a device did not acknowledge."""
    _to_host: _FrameFaults = field(default_factory=_FrameFaults)
    _from_host: _FrameFaults = field(default_factory=_FrameFaults)
    _busy: int = 0
    _busy_status: int = ezsp.MAX_MESSAGE_LIMIT_REACHED
    _unreachable: dict[str, float] = field(default_factory=dict)
    _slow: dict[str, float] = field(default_factory=dict)
    _lost_answers: dict[str, int] = field(default_factory=dict)
    _duplicates: int = 0
    _garbled: int = 0

    # On the line.

    def drop_frames(self, count: int = 1, way: Way = "both") -> None:
        """Lose the next `count` ASH frames, of each direction meant."""
        for lane in self._lanes(way):
            lane.drop += count

    def corrupt_frames(self, count: int = 1, way: Way = "both") -> None:
        """Flip one bit in each of the next `count` ASH frames."""
        for lane in self._lanes(way):
            lane.corrupt += count

    def duplicate_frames(self, count: int = 1, way: Way = "both") -> None:
        """Carry each of the next `count` ASH frames twice."""
        for lane in self._lanes(way):
            lane.duplicate += count

    def delay_line(self, seconds: float) -> None:
        """Everything on the line takes this much longer, each way, until set to 0."""
        self.line_delay_s = seconds

    def reset_ncp(self, reason: int = ash.RESET_SOFTWARE) -> None:
        """The coordinator restarts by itself and says so: RSTACK; its network is down until a host starts it."""
        for line in self.lines:
            line.reset(reason)

    def fail_ncp(self, code: int = ash.ERROR_ACK_TIMEOUTS) -> None:
        """The coordinator sends ERROR and is mute until the host resets it."""
        for line in self.lines:
            line.fail(code)

    def silence(self) -> None:
        """The coordinator hangs: it neither answers nor hears, and the line stays open."""
        self.silent = True

    def speak(self) -> None:
        self.silent = False

    def cut_line(self) -> None:
        """The TCP connection breaks off (RST); a host may connect again."""
        for line in self.lines:
            line.cut()

    def refuse_connections(self, refuse: bool = True) -> None:
        """Nobody listens on the port any more; False: somebody does again."""
        for listener in self.listeners:
            (listener.close if refuse else listener.open)()

    # In the air.

    def make_unreachable(self, ieee: str, seconds: float = float("inf")) -> None:
        """The device neither hears nor is heard."""
        self._unreachable[ieee] = self.now() + seconds

    def make_slow(self, ieee: str, seconds: float) -> None:
        """The device acknowledges at once but answers this much later; 0 makes it quick again."""
        self._slow[ieee] = seconds

    def lose_answers(self, ieee: str, count: int = 1) -> None:
        """The device obeys, but its next `count` answers are lost in the air."""
        self._lost_answers[ieee] = count

    def be_busy(self, count: int = 1, status: int = ezsp.MAX_MESSAGE_LIMIT_REACHED) -> None:
        """Refuse the next `count` messages to devices with this EmberStatus (NETWORK_BUSY is another)."""
        self._busy, self._busy_status = count, status

    def duplicate_reports(self, count: int = 1) -> None:
        """Deliver each of the next `count` messages of devices twice, with the same counters."""
        self._duplicates += count

    def garble_reports(self, count: int = 1) -> None:
        """Each of the next `count` messages of devices arrives as random bytes."""
        self._garbled += count

    def clear(self) -> None:
        """No more faults."""
        self.silent = False
        self.refuse_connections(False)
        self.line_delay_s = 0.0
        self._to_host, self._from_host = _FrameFaults(), _FrameFaults()
        self._busy = self._duplicates = self._garbled = 0
        self._unreachable.clear()
        self._slow.clear()
        self._lost_answers.clear()

    # What the line and the air ask.

    def outbound(self, frame: bytes) -> list[bytes]:
        return [] if self.silent else self._to_host.take(frame, self.chance)

    def inbound(self, frame: bytes) -> list[bytes]:
        return [] if self.silent else self._from_host.take(frame, self.chance)

    def reachable(self, ieee: str) -> bool:
        if not self._unreachable:
            return True
        return self._unreachable.get(ieee, 0.0) <= self.now()

    def answer_delay(self, ieee: str) -> float:
        return self._slow.get(ieee, 0.0)

    def loses_answer(self, ieee: str) -> bool:
        left = self._lost_answers.get(ieee, 0)
        if left:
            self._lost_answers[ieee] = left - 1
        return left > 0

    def refuses_message(self) -> int:
        """The status to refuse a message with; 0 to take it."""
        if not self._busy:
            return ezsp.SUCCESS
        self._busy -= 1
        return self._busy_status

    def copies(self) -> int:
        """How often the message that is about to be delivered arrives."""
        if not self._duplicates:
            return 1
        self._duplicates -= 1
        return 2

    def garbles(self, payload: bytes) -> bytes:
        """The payload as it arrives."""
        if not self._garbled:
            return payload
        self._garbled -= 1
        return self.chance.randbytes(self.chance.randrange(40))

    def _lanes(self, way: Way) -> list[_FrameFaults]:
        return {
            "both": [self._to_host, self._from_host],
            "to_host": [self._to_host],
            "from_host": [self._from_host],
        }[way]
