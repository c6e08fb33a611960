"""Which records of the log are repetitions: what a hostile or broken device has a library say of each of its frames.

What is limited: everything from libraries, and our own warnings that name a device or come with an exception. The
others are either paced where they are made or wanted one by one.
"""

import logging
import re
import sys
from collections.abc import Callable, Hashable
from copy import copy
from types import TracebackType
from typing import Any, Final

from gatewayd.line_limit import LineAllowances, LineRate

KIND_RATE: Final = LineRate(burst=10, interval_s=60.0)
NEW_KINDS_RATE: Final = LineRate(burst=100, interval_s=10.0)
"""Of one logger: a message that is put together before it is logged may be another each time."""

_MAX_KINDS: Final = 512
_MAX_LOGGERS: Final = 256
_MAX_TEMPLATE: Final = 200  # characters
_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class RepeatedLines:
    """Admits the first record of each kind and a burst of others, then one a period. For one thread at a time.

    A kind is the logger, the message before its arguments are put in (our own: the event's name and the device), and
    where the exception that comes with it was raised.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kinds = LineAllowances(KIND_RATE, _MAX_KINDS)
        self._new_kinds = LineAllowances(NEW_KINDS_RATE, _MAX_LOGGERS)
        self.suppressed = 0
        """Records that were not admitted."""

    def admit(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The record to write; None where it is left out.

        Only the first of a burst has its traceback. Its attribute `suppressed` says how many of its kind were left out
        before it, where any were.
        """
        exc_info = _exc_info_of(record)
        kind = _kind_of(record, exc_info)
        if kind is None:
            return record
        now = self._monotonic()
        if kind not in self._kinds:
            new_kinds = self._new_kinds.of(record.name, now)
            if new_kinds.is_empty:
                new_kinds.suppressed += 1
                self.suppressed += 1
                return None
            before = new_kinds.take()
        else:
            before = 0
        allowance = self._kinds.of(kind, now)
        if allowance.is_empty:
            allowance.suppressed += 1
            self.suppressed += 1
            return None
        is_first = allowance.is_whole
        before += allowance.take()
        if before or (exc_info is not None and not is_first):
            record = copy(record)
            record.suppressed = before
            if exc_info is not None and not is_first:
                _leave_traceback_out(record, exc_info)
        return record


def _kind_of(record: logging.LogRecord, exc_info: ExcInfo | None) -> Hashable:
    """None for a record that is not limited."""
    place = None if exc_info is None else (exc_info[0], _raised_at(exc_info[2]))
    message: Any = record.msg
    if not isinstance(message, dict):  # not structlog's: a library's
        text = message if isinstance(message, str) else type(message).__name__
        return record.name, _NUMBER.sub("#", text[:_MAX_TEMPLATE]), place
    if record.levelno < logging.WARNING:
        return None
    device = message.get("uuid")
    return None if device is None and place is None else (record.name, message.get("event"), device, place)


def _exc_info_of(record: logging.LogRecord) -> ExcInfo | None:
    """The exception that comes with a record: structlog leaves it in the event, as `logging` takes it."""
    found: Any = record.msg.get("exc_info") if isinstance(record.msg, dict) else record.exc_info
    if isinstance(found, BaseException):
        return type(found), found, found.__traceback__
    if found and not isinstance(found, tuple):
        found = sys.exc_info()
    return found if found and found[0] is not None else None


def _raised_at(traceback: TracebackType | None) -> tuple[str, int] | None:
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno


def _leave_traceback_out(record: logging.LogRecord, exc_info: ExcInfo) -> None:
    """Replace the record's traceback by the exception's own line, in its attribute `error`."""
    record.error = f"{exc_info[0].__name__}: {exc_info[1]}"
    record.exc_info = record.exc_text = None
    if isinstance(record.msg, dict):
        record.msg = {name: value for name, value in record.msg.items() if name != "exc_info"}
