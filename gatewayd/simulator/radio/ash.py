"""ASH, the framing between a host and an EZSP coordinator (Silicon Labs UG101), from the coordinator's side.

Bytes and times come in, frames and events go out: no socket, no clock, no task. What an EZSP frame means is
`ezsp`'s; sockets are `server`'s.
"""

import binascii
import re
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

FLAG = 0x7E
ESCAPE = 0x7D
XON = 0x11
XOFF = 0x13
SUBSTITUTE = 0x18
CANCEL = 0x1A
_ESCAPE_FLIP = 0x20

ASH_VERSION = 2
WINDOW = 5
"""Data frames in flight. More would overrun hosts that buffer about 1,024 received bytes."""
MAX_PAYLOAD = 256
ACK_TIMEOUT_S = 1.6
"""The first acknowledgement timeout; later ones follow the measured round trips (UG101 §5.6)."""
_ACK_TIMEOUT_LEAST_S, _ACK_TIMEOUT_MOST_S = 0.4, 3.2
MAX_ACK_TIMEOUTS = 5
ERROR_ACK_TIMEOUTS = 0x51
"""The code of ERROR after MAX_ACK_TIMEOUTS."""

RST, RSTACK, ERROR = 0xC0, 0xC1, 0xC2
"""Control bytes of the frames that carry no sequence number."""
_ACK, _NAK = 0x80, 0xA0
_NAK_BIT = 0x20
_RETRANSMITTED = 0x08
_SEQUENCE_MASK = 0x07
_SEQUENCE_SHIFT = 4

_RESERVED_BYTE = re.compile(rb"[\x7e\x7d\x11\x13\x18\x1a]")
_ESCAPED_BYTE = re.compile(rb"\x7d(.)", re.DOTALL)
_CONTROL_BYTE = re.compile(rb"[\x11\x13\x18\x1a]")


class ResetReason(IntEnum):
    """Why the coordinator restarted, as RSTACK says it."""

    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    SOFTWARE = 0x0B


def _pseudo_random(length: int) -> bytes:
    """The sequence that data fields are mixed with, so that no pattern repeats on the line (UG101 §4.3)."""
    out = bytearray()
    register = 0x42
    for _ in range(length):
        out.append(register)
        register = register >> 1 ^ (0xB8 if register & 1 else 0)
    return bytes(out)


_PSEUDO_RANDOM = _pseudo_random(MAX_PAYLOAD)


def randomize(data: bytes) -> bytes:
    """A data field mixed with the pseudo-random sequence; applied twice, it is the data again."""
    size = len(data)
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(_PSEUDO_RANDOM[:size], "big")
    return mixed.to_bytes(size, "big")


def encode(body: bytes) -> bytes:
    """A frame's control byte and payload as they are sent: with the CRC, byte-stuffed, closed by a flag."""
    whole = body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    return _RESERVED_BYTE.sub(lambda found: bytes((ESCAPE, found[0][0] ^ _ESCAPE_FLIP)), whole) + bytes((FLAG,))


def decode(stuffed: bytes) -> bytes | None:
    """The control byte and payload of what stood between two flags; None if it is damaged."""
    whole = stuffed
    if ESCAPE in stuffed:
        whole = _ESCAPED_BYTE.sub(lambda found: bytes((found[1][0] ^ _ESCAPE_FLIP,)), stuffed)
    body = whole[:-2]
    if not body or binascii.crc_hqx(body, 0xFFFF) != int.from_bytes(whole[-2:], "big"):
        return None
    return body


class FrameReader:
    """Splits a stream of bytes at the flags, and handles cancel, substitute, XON and XOFF."""

    _LIMIT = 4 * MAX_PAYLOAD

    def __init__(self) -> None:
        self._buffer = b""
        self._is_discarding = False

    @property
    def buffered(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames, still byte-stuffed, that `data` completes."""
        *complete, rest = (self._buffer + data).split(bytes((FLAG,)))
        frames = []
        for piece in complete:
            frame = self._without_control_bytes(piece)
            if frame and not self._is_discarding:
                frames.append(frame)
            self._is_discarding = False
        self._buffer = self._without_control_bytes(rest)
        if len(self._buffer) > self._LIMIT:
            self._buffer, self._is_discarding = b"", True
        return frames

    def _without_control_bytes(self, piece: bytes) -> bytes:
        if not _CONTROL_BYTE.search(piece):
            return piece
        piece = piece.replace(bytes((XON,)), b"").replace(bytes((XOFF,)), b"")
        before, cancel, after = piece.rpartition(bytes((CANCEL,)))
        remaining = after if cancel else piece
        if SUBSTITUTE in remaining:
            self._is_discarding = True
            return b""
        if cancel and before:
            self._is_discarding = False
        return remaining


@dataclass(frozen=True, slots=True)
class HostReset:
    """The host asked for a reset (RST): the coordinator restarts and answers with RSTACK."""


@dataclass(frozen=True, slots=True)
class Payload:
    """An EZSP frame that arrived undamaged, in order, and once."""

    data: bytes


Event = HostReset | Payload


class Ash:
    """The coordinator's side of a connection: sequence numbers, the window, what is not yet acknowledged or sent."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._connected = False
        self._failed = False
        self._clear()

    def _clear(self) -> None:
        self._next_send = 0
        self._next_receive = 0
        self._unacked: deque[tuple[bytes, float]] = deque()
        self._ack_timeout = ACK_TIMEOUT_S
        self._waiting: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._ack_due = False
        self._rejecting = False
        self._timeouts = 0
        self.deadline: float | None = None
        """When `tick` is to be called, on the caller's clock; None while nothing is in flight."""
        self.sent = 0
        """Payloads given to `send` since the last reset: the serial number of the newest one."""
        self.acknowledged = 0
        """The serial number of the newest payload that the host has acknowledged."""

    @property
    def connected(self) -> bool:
        """True once a reset has been answered, until something fails."""
        return self._connected and not self._failed

    def reset(self, reason: int) -> None:
        """Return to the first state and send RSTACK with a ResetReason."""
        self._clear()
        self._connected, self._failed = True, False
        self._out.append(encode(bytes((RSTACK, ASH_VERSION, reason))))

    def fail(self, code: int) -> None:
        """Send ERROR, then nothing until the host resets."""
        self._clear()
        self._failed = True
        self._out.append(encode(bytes((ERROR, ASH_VERSION, code))))

    @property
    def waiting(self) -> int:
        """The frames that wait for room in the window."""
        return len(self._waiting)

    def send(self, payload: bytes, now: float) -> int:
        """Queue an EZSP frame; returns its serial number, to be compared with `acknowledged`."""
        self.sent += 1
        self._waiting.append(payload)
        self._fill_window(now)
        return self.sent

    def receive(self, stuffed: bytes, now: float) -> list[Event]:
        """Handle what stood between two flags. Damaged frames are requested again, never delivered."""
        body = decode(stuffed)
        if body == bytes((RST,)):
            return [HostReset()]
        if not self.connected:
            return []
        if body is None:
            self._reject()
            return []
        control = body[0]
        if control < _ACK:  # a data frame
            self._handle_ack(control & _SEQUENCE_MASK, now)
            return self._handle_data(control, body[1:])
        if control < RST and len(body) == 1:
            self._handle_ack(control & _SEQUENCE_MASK, now)
            if control & _NAK_BIT:
                self._resend(now)
        return []

    def tick(self, now: float) -> None:
        """Send again what was not acknowledged in time; after MAX_ACK_TIMEOUTS in a row, fail."""
        if self.deadline is None or now < self.deadline:
            return
        self._timeouts += 1
        if self._timeouts > MAX_ACK_TIMEOUTS:
            self.fail(ERROR_ACK_TIMEOUTS)
        else:
            self._set_ack_timeout(2 * self._ack_timeout)
            self._resend(now)

    def frames_to_send(self) -> list[bytes]:
        """The encoded frames that are ready, each closed by its flag."""
        if self._ack_due:
            self._ack_due = False
            self._out.append(encode(bytes((_ACK | self._next_receive,))))
        out, self._out = self._out, []
        return out

    def _handle_data(self, control: int, randomized: bytes) -> list[Event]:
        number, retransmitted = control >> _SEQUENCE_SHIFT & _SEQUENCE_MASK, control & _RETRANSMITTED
        if number != self._next_receive:
            if retransmitted:
                self._ack_due = True
            else:
                self._reject()
            return []
        if len(randomized) > MAX_PAYLOAD:
            self._reject()
            return []
        self._next_receive = number + 1 & _SEQUENCE_MASK
        self._ack_due = True
        self._rejecting = False
        return [Payload(randomize(randomized))]

    def _reject(self) -> None:
        """Request the missing frame once (NAK); further damage is ignored until it arrives."""
        if not self._rejecting:
            self._rejecting = True
            self._out.append(encode(bytes((_NAK | self._next_receive,))))

    def _handle_ack(self, next_expected: int, now: float) -> None:
        oldest = self._next_send - len(self._unacked) & _SEQUENCE_MASK
        count = next_expected - oldest & _SEQUENCE_MASK
        if not 0 < count <= len(self._unacked):
            return
        sent_at = now
        for _ in range(count):
            _, sent_at = self._unacked.popleft()
        self.acknowledged += count
        self._timeouts = 0
        self._set_ack_timeout(self._ack_timeout * 7 / 8 + (now - sent_at) / 2)
        self.deadline = now + self._ack_timeout if self._unacked else None
        self._fill_window(now)

    def _fill_window(self, now: float) -> None:
        while self._waiting and len(self._unacked) < self._window and self.connected:
            payload = self._waiting.popleft()
            self._unacked.append((payload, now))
            self._out.append(self._data_frame(self._next_send, payload, retransmitted=False))
            self._next_send = self._next_send + 1 & _SEQUENCE_MASK
            if self.deadline is None:
                self.deadline = now + self._ack_timeout

    def _resend(self, now: float) -> None:
        oldest = self._next_send - len(self._unacked)
        for offset, (payload, _) in enumerate(self._unacked):
            self._out.append(self._data_frame(oldest + offset & _SEQUENCE_MASK, payload, retransmitted=True))
        self.deadline = now + self._ack_timeout if self._unacked else None

    def _set_ack_timeout(self, seconds: float) -> None:
        self._ack_timeout = min(max(seconds, _ACK_TIMEOUT_LEAST_S), _ACK_TIMEOUT_MOST_S)

    def _data_frame(self, number: int, payload: bytes, *, retransmitted: bool) -> bytes:
        self._ack_due = False
        control = number << _SEQUENCE_SHIFT | (_RETRANSMITTED if retransmitted else 0) | self._next_receive
        return encode(bytes((control,)) + randomize(payload))
