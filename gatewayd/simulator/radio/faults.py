"""Faults on demand, as `network.faults`: on the connection between host and coordinator, and on the radio.

State and decisions only: `session` passes each ASH frame through `outbound` or `inbound`, `medium` asks about each
radio message, `server` registers what can be closed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gatewayd.simulator.radio import ash, ezsp

Direction = Literal["both", "to_host", "from_host"]

_LONGEST_GARBLED_PAYLOAD = 40


class HostConnection(Protocol):
    """A connected host, as the faults see it."""

    def reset(self, reason: int) -> None:
        """Restart the coordinator and send RSTACK with `reason`."""

    def fail(self, code: int) -> None:
        """Send ERROR with `code`, then nothing until the host resets."""

    def cut(self) -> None:
        """End the connection at once (RST)."""


class Listener(Protocol):
    """A listening port, as the faults see it."""

    def open(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _FrameFaults:
    """How many of one direction's next frames are dropped, corrupted, duplicated (in this order)."""

    drop: int = 0
    corrupt: int = 0
    duplicate: int = 0

    def apply(self, frame: bytes, chance: random.Random) -> list[bytes]:
        """What arrives of `frame`: nothing, one frame or two."""
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
    """Damage that the CRC detects, and that neither adds nor removes a control byte."""
    while True:
        place = chance.randrange(max(1, len(frame) - 1))
        flipped = frame[place] ^ 1 << chance.randrange(8)
        if flipped not in {ash.FLAG, ash.ESCAPE, ash.CANCEL, ash.SUBSTITUTE, ash.XON, ash.XOFF}:
            return frame[:place] + bytes((flipped,)) + frame[place + 1 :]


@dataclass(slots=True)
class RadioFaults:
    """All faults of a network. Those with a count end by themselves, the others with `clear`."""

    chance: random.Random
    now: Callable[[], float]
    connections: list[HostConnection] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    ncp_hangs: bool = False
    connection_delay_s: float = 0.0
    delivery_timeout_s: float = 0.1
    """How long the coordinator tries before it reports that a device did not acknowledge."""
    _to_host: _FrameFaults = field(default_factory=_FrameFaults)
    _from_host: _FrameFaults = field(default_factory=_FrameFaults)
    _refused: int = 0
    _refused_status: int = ezsp.EmberStatus.MAX_MESSAGE_LIMIT_REACHED
    _unreachable_until: dict[str, float] = field(default_factory=dict)
    _answer_delays: dict[str, float] = field(default_factory=dict)
    _lost_answers: dict[str, int] = field(default_factory=dict)
    _duplicated: int = 0
    _garbled: int = 0

    # On the connection between host and coordinator.

    def drop_frames(self, count: int = 1, direction: Direction = "both") -> None:
        """Lose the next `count` ASH frames of the direction, or of each."""
        for faults in self._of(direction):
            faults.drop += count

    def corrupt_frames(self, count: int = 1, direction: Direction = "both") -> None:
        """Flip one bit in each of the next `count` ASH frames."""
        for faults in self._of(direction):
            faults.corrupt += count

    def duplicate_frames(self, count: int = 1, direction: Direction = "both") -> None:
        """Send each of the next `count` ASH frames twice."""
        for faults in self._of(direction):
            faults.duplicate += count

    def delay_connection(self, seconds: float) -> None:
        """All bytes take this much longer, in each direction, until it is set to 0."""
        self.connection_delay_s = seconds

    def reset_ncp(self, reason: int = ash.ResetReason.SOFTWARE) -> None:
        """The coordinator restarts by itself and sends RSTACK; its network is down until a host starts it."""
        for connection in self.connections:
            connection.reset(reason)

    def fail_ncp(self, code: int = ash.ERROR_ACK_TIMEOUTS) -> None:
        """The coordinator sends ERROR, then nothing until the host resets it."""
        for connection in self.connections:
            connection.fail(code)

    def hang_ncp(self) -> None:
        """The coordinator neither receives nor sends; its connection stays open."""
        self.ncp_hangs = True

    def resume_ncp(self) -> None:
        """End `hang_ncp`."""
        self.ncp_hangs = False

    def cut_connection(self) -> None:
        """The TCP connection breaks (RST); a host may connect again."""
        for connection in self.connections:
            connection.cut()

    def refuse_connections(self) -> None:
        """Close the listening ports until `accept_connections`; open connections stay."""
        for listener in self.listeners:
            listener.close()

    def accept_connections(self) -> None:
        """Open the listening ports again."""
        for listener in self.listeners:
            listener.open()

    # On the radio.

    def make_unreachable(self, ieee: str, seconds: float = float("inf")) -> None:
        """The device neither receives nor is received."""
        self._unreachable_until[ieee] = self.now() + seconds

    def delay_answers(self, ieee: str, seconds: float) -> None:
        """The device acknowledges at once but answers this much later, until it is set to 0."""
        self._answer_delays[ieee] = seconds

    def lose_answers(self, ieee: str, count: int = 1) -> None:
        """The device executes commands, but its next `count` answers are lost."""
        self._lost_answers[ieee] = count

    def refuse_messages(self, count: int = 1, status: int = ezsp.EmberStatus.MAX_MESSAGE_LIMIT_REACHED) -> None:
        """The coordinator refuses the next `count` messages to devices with this EmberStatus."""
        self._refused, self._refused_status = count, status

    def duplicate_reports(self, count: int = 1) -> None:
        """Deliver each of the devices' next `count` messages twice, with the same counters."""
        self._duplicated += count

    def garble_reports(self, count: int = 1) -> None:
        """Each of the devices' next `count` messages arrives as random bytes."""
        self._garbled += count

    def clear(self) -> None:
        """End all faults."""
        self.ncp_hangs = False
        self.accept_connections()
        self.connection_delay_s = 0.0
        self._to_host, self._from_host = _FrameFaults(), _FrameFaults()
        self._refused = self._duplicated = self._garbled = 0
        self._unreachable_until.clear()
        self._answer_delays.clear()
        self._lost_answers.clear()

    # For `session` and `medium`.

    def outbound(self, frame: bytes) -> list[bytes]:
        """The frames that reach the host when the coordinator sends `frame`."""
        return [] if self.ncp_hangs else self._to_host.apply(frame, self.chance)

    def inbound(self, frame: bytes) -> list[bytes]:
        """The frames that reach the coordinator when the host sends `frame`."""
        return [] if self.ncp_hangs else self._from_host.apply(frame, self.chance)

    def is_reachable(self, ieee: str) -> bool:
        return self._unreachable_until.get(ieee, 0.0) <= self.now() if self._unreachable_until else True

    def answer_delay_s(self, ieee: str) -> float:
        return self._answer_delays.get(ieee, 0.0)

    def loses_answer(self, ieee: str) -> bool:
        """True where the answer that the device is about to send is lost."""
        left = self._lost_answers.get(ieee, 0)
        if left:
            self._lost_answers[ieee] = left - 1
        return left > 0

    def message_status(self) -> int:
        """The EmberStatus for the next message to a device: SUCCESS to take it."""
        if not self._refused:
            return ezsp.EmberStatus.SUCCESS
        self._refused -= 1
        return self._refused_status

    def copies(self) -> int:
        """How often a device's next message arrives."""
        if not self._duplicated:
            return 1
        self._duplicated -= 1
        return 2

    def payload_on_arrival(self, payload: bytes) -> bytes:
        """A device's payload as it arrives."""
        if not self._garbled:
            return payload
        self._garbled -= 1
        return self.chance.randbytes(self.chance.randrange(_LONGEST_GARBLED_PAYLOAD))

    def _of(self, direction: Direction) -> list[_FrameFaults]:
        return {
            "both": [self._to_host, self._from_host],
            "to_host": [self._to_host],
            "from_host": [self._from_host],
        }[direction]
