"""ASH, the framing between a host and an EZSP coordinator (Silicon Labs UG101), from the coordinator's side.

Bytes and times come in, frames and events go out: no socket, no clock, no task. What an EZSP frame means is
left to `ezsp`; who carries the bytes, to `server`.
"""

import binascii
import re
from collections import deque
from dataclasses import dataclass

FLAG = 0x7E
ESCAPE = 0x7D
XON = 0x11
XOFF = 0x13
SUBSTITUTE = 0x18
CANCEL = 0x1A
_FLIP = 0x20

ASH_VERSION = 2
WINDOW = 5
"""Data frames in flight. More would overrun hosts that keep about 1,024 received bytes."""
MAX_PAYLOAD = 256
ACK_TIMEOUT_S = 1.6
"""How long an acknowledgement may take at first; it follows what the line is seen to take (UG101 §5.6)."""
_ACK_TIMEOUT_LEAST_S, _ACK_TIMEOUT_MOST_S = 0.4, 3.2
MAX_ACK_TIMEOUTS = 5

RESET_EXTERNAL = 0x01
RESET_POWER_ON = 0x02
RESET_WATCHDOG = 0x03
RESET_ASSERT = 0x06
RESET_SOFTWARE = 0x0B
ERROR_ACK_TIMEOUTS = 0x51

_RST = 0xC0
_RSTACK = 0xC1
_ERROR = 0xC2

_RESERVED = re.compile(rb"[\x7e\x7d\x11\x13\x18\x1a]")
_STUFFED = re.compile(rb"\x7d(.)", re.DOTALL)
_CONTROL = re.compile(rb"[\x11\x13\x18\x1a]")


def _noise(length: int) -> bytes:
    """The pseudo-random sequence that data is mixed with, so that no pattern on the line repeats (UG101 §4.3)."""
    out = bytearray()
    register = 0x42
    for _ in range(length):
        out.append(register)
        register = register >> 1 ^ (0xB8 if register & 1 else 0)
    return bytes(out)


_NOISE = _noise(MAX_PAYLOAD)


def _mix(data: bytes) -> bytes:
    size = len(data)
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(_NOISE[:size], "big")
    return mixed.to_bytes(size, "big")


def encode(body: bytes) -> bytes:
    """A frame's control byte and payload as it goes on the line: with CRC, stuffed, closed by a flag."""
    whole = body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    return _RESERVED.sub(lambda found: bytes((ESCAPE, found[0][0] ^ _FLIP)), whole) + b"\x7e"


def decode(stuffed: bytes) -> bytes | None:
    """The control byte and payload of what stood between two flags; None if it is damaged."""
    whole = stuffed
    if ESCAPE in stuffed:
        whole = _STUFFED.sub(lambda found: bytes((found[1][0] ^ _FLIP,)), stuffed)
    body = whole[:-2]
    if not body or binascii.crc_hqx(body, 0xFFFF) != int.from_bytes(whole[-2:], "big"):
        return None
    return body


class FrameReader:
    """Cuts a stream of bytes into what stands between flags, obeying cancel, substitute, XON and XOFF."""

    _LIMIT = 4 * MAX_PAYLOAD

    def __init__(self) -> None:
        self._buffer = b""
        self._spoiled = False

    def feed(self, data: bytes) -> list[bytes]:
        *complete, rest = (self._buffer + data).split(b"\x7e")
        frames = []
        for piece in complete:
            frame = self._clean(piece)
            if frame and not self._spoiled:
                frames.append(frame)
            self._spoiled = False
        self._buffer = self._clean(rest)
        if len(self._buffer) > self._LIMIT:
            self._buffer, self._spoiled = b"", True
        return frames

    def _clean(self, piece: bytes) -> bytes:
        if not _CONTROL.search(piece):
            return piece
        piece = piece.replace(bytes((XON,)), b"").replace(bytes((XOFF,)), b"")
        before, cancel, after = piece.rpartition(bytes((CANCEL,)))
        kept = after if cancel else piece
        if SUBSTITUTE in kept:
            self._spoiled = True
            return b""
        if cancel and before:
            self._spoiled = False
        return kept


@dataclass(frozen=True, slots=True)
class HostReset:
    """The host asked for a reset (RST): the coordinator restarts and answers with RSTACK."""


@dataclass(frozen=True, slots=True)
class Payload:
    """An EZSP frame that arrived whole, in order, and once."""

    data: bytes


Event = HostReset | Payload


class Ash:
    """One side's state: sequence numbers, the window, what waits to be acknowledged or sent."""

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
        """Whether a reset has been answered, and nothing has failed since."""
        return self._connected and not self._failed

    def reset(self, reason: int) -> None:
        """Forget everything and announce it: RSTACK with one of the RESET_ reasons."""
        self._clear()
        self._connected, self._failed = True, False
        self._out.append(encode(bytes((_RSTACK, ASH_VERSION, reason))))

    def fail(self, code: int) -> None:
        """Send ERROR and stay mute until the host resets."""
        self._clear()
        self._failed = True
        self._out.append(encode(bytes((_ERROR, ASH_VERSION, code))))

    def send(self, payload: bytes, now: float) -> int:
        """Queue an EZSP frame; returns its serial number, to be compared with `acknowledged`."""
        self.sent += 1
        self._waiting.append(payload)
        self._fill_window(now)
        return self.sent

    def receive(self, stuffed: bytes, now: float) -> list[Event]:
        """Take what stood between two flags. Damaged frames are asked for again, never delivered."""
        body = decode(stuffed)
        if body == bytes((_RST,)):
            return [HostReset()]
        if not self.connected:
            return []
        if body is None:
            self._reject()
            return []
        control = body[0]
        if control < 0x80:
            self._take_ack(control & 0x07, now)
            return self._take_data(control, body[1:])
        if control < 0xC0 and len(body) == 1:
            self._take_ack(control & 0x07, now)
            if control & 0x20:
                self._resend(now)
        return []

    def tick(self, now: float) -> None:
        """Send again what has not been acknowledged in time; after five times, give up with ERROR."""
        if self.deadline is None or now < self.deadline:
            return
        self._timeouts += 1
        if self._timeouts > MAX_ACK_TIMEOUTS:
            self.fail(ERROR_ACK_TIMEOUTS)
        else:
            self._wait(2 * self._ack_timeout)
            self._resend(now)

    def frames_to_send(self) -> list[bytes]:
        """The encoded frames that are ready for the line, each closed by its flag."""
        if self._ack_due:
            self._ack_due = False
            self._out.append(encode(bytes((0x80 | self._next_receive,))))
        out, self._out = self._out, []
        return out

    def _take_data(self, control: int, mixed: bytes) -> list[Event]:
        number, repeated = control >> 4 & 0x07, control & 0x08
        if number != self._next_receive:
            if repeated:
                self._ack_due = True
            else:
                self._reject()
            return []
        if len(mixed) > MAX_PAYLOAD:
            self._reject()
            return []
        self._next_receive = number + 1 & 0x07
        self._ack_due = True
        self._rejecting = False
        return [Payload(_mix(mixed))]

    def _reject(self) -> None:
        """Ask once (NAK) for the frame that is missing; further damage is silent until it arrives."""
        if not self._rejecting:
            self._rejecting = True
            self._out.append(encode(bytes((0xA0 | self._next_receive,))))

    def _take_ack(self, next_expected: int, now: float) -> None:
        oldest = self._next_send - len(self._unacked) & 0x07
        count = next_expected - oldest & 0x07
        if not 0 < count <= len(self._unacked):
            return
        sent_at = now
        for _ in range(count):
            _, sent_at = self._unacked.popleft()
        self.acknowledged += count
        self._timeouts = 0
        self._wait(self._ack_timeout * 7 / 8 + (now - sent_at) / 2)
        self.deadline = now + self._ack_timeout if self._unacked else None
        self._fill_window(now)

    def _fill_window(self, now: float) -> None:
        while self._waiting and len(self._unacked) < self._window and self.connected:
            payload = self._waiting.popleft()
            self._unacked.append((payload, now))
            self._out.append(self._data_frame(self._next_send, payload, repeated=False))
            self._next_send = self._next_send + 1 & 0x07
            if self.deadline is None:
                self.deadline = now + self._ack_timeout

    def _resend(self, now: float) -> None:
        oldest = self._next_send - len(self._unacked)
        for offset, (payload, _) in enumerate(self._unacked):
            self._out.append(self._data_frame(oldest + offset & 0x07, payload, repeated=True))
        self.deadline = now + self._ack_timeout if self._unacked else None

    def _wait(self, seconds: float) -> None:
        self._ack_timeout = min(max(seconds, _ACK_TIMEOUT_LEAST_S), _ACK_TIMEOUT_MOST_S)

    def _data_frame(self, number: int, payload: bytes, *, repeated: bool) -> bytes:
        self._ack_due = False
        control = number << 4 | (0x08 if repeated else 0) | self._next_receive
        return encode(bytes((control,)) + _mix(payload))
