"""A lock's own log: a ring of numbered records, which a host reads after it was away (Get Log Record, ZCL 7.3.2.17)."""

import struct
from collections import deque
from dataclasses import dataclass, field

from gatewayd.simulator.radio.devices.lock.codes import LogEventType


@dataclass(frozen=True, slots=True)
class LogRecord:
    """`time` in seconds since 2000-01-01, local; `code` is an event's or an alarm's, as `type` says."""

    index: int
    time: int
    type: LogEventType
    source: int
    code: int
    user: int
    pin: bytes = field(default=b"", repr=False)

    def pack(self) -> bytes:
        """The payload of Get Log Record Response."""
        head = struct.pack("<HIBBBH", self.index, self.time, self.type, self.source, self.code, self.user)
        return head + bytes((len(self.pin),)) + self.pin


class LockLog:
    """The newest `size` records, numbered by their place in the ring: 1 to `size`, then 1 again."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.records: deque[LogRecord] = deque(maxlen=size)
        self._last = 0

    def write(self, time: int, type_: LogEventType, source: int, code: int, *, user: int, pin: bytes) -> None:
        """Append a record; a full log loses its oldest."""
        self._last = self._last % self._size + 1
        self.records.append(LogRecord(self._last, time, type_, source, code, user, pin))

    def read(self, index: int) -> LogRecord | None:
        """The record of that number; 0 is the newest. None: there is none, or no longer."""
        if index == 0:
            return self.records[-1] if self.records else None
        return next((record for record in self.records if record.index == index), None)
