"""Retry-After (RFC 9110, 10.2.3): for how long a server asks not to be called. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MAX_DIGITS: Final = 9


def requested_pause_s(retry_after: str, date: str) -> float | None:
    """Seconds from now, 0 or more; None where the header is neither a number of seconds nor a time.

    `date` is the answer's own Date: a time is counted from that, since the board's clock may be wrong.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:_MAX_DIGITS]) if len(text) <= _MAX_DIGITS else float(10**_MAX_DIGITS)
    until, now = _time(text), _time(date)
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _time(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
