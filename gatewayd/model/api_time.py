"""The API's times: "2018-04-12 12:01:02", without a zone; the zone is the gateway's setting (`[gateway] timezone`)."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import msgspec

_WITH_SECONDS: Final = "%Y-%m-%d %H:%M:%S"  # §12
_WITHOUT_SECONDS: Final = "%Y-%m-%d %H:%M"  # §2.10


def format_api_time(moment: datetime, zone: tzinfo) -> str:
    """`moment` (aware) as the API writes it, with seconds, in `zone`."""
    return moment.astimezone(zone).strftime(_WITH_SECONDS)


def parse_api_time(text: str, zone: tzinfo) -> datetime:
    """The UTC time that `text` stands for in `zone`; both of the API's formats are read, with and without seconds.

    Raises ValueError where it is neither, and where UTC has no such time (year 1, year 9999).
    """
    if not text.isascii():  # strptime would read the digits of every script
        raise ValueError("not a time as 2018-04-12 12:01:02")
    time_format = _WITH_SECONDS if text.count(":") == 2 else _WITHOUT_SECONDS
    try:
        return datetime.strptime(text, time_format).replace(tzinfo=zone).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of the range of times") from error


class UnsureDate(msgspec.Struct, frozen=True):
    """Says that something was dated while no right clock was known: in the boot of that id, by a clock that showed
    `zero_ms` (ms since 1970, UTC) when the board had been up for 0 s. Once a right clock is known in the same boot,
    everything that was dated so is off by the same.
    """

    boot: str
    zero_ms: int


def shift_api_time(text: str, offset: timedelta, zone: tzinfo) -> str:
    """`text`, a time of the API in `zone`, moved by `offset`; as it is where it is no time."""
    try:
        return format_api_time(parse_api_time(text, zone) + offset, zone)
    except (ValueError, OverflowError):
        return text
