"""The API's times: "2018-04-12 12:01:02", without a zone; the zone is the gateway's setting (`[gateway] timezone`)."""

from datetime import UTC, datetime, tzinfo

_WITH_SECONDS = "%Y-%m-%d %H:%M:%S"
_WITHOUT_SECONDS = "%Y-%m-%d %H:%M"


def write_time(moment: datetime, zone: tzinfo) -> str:
    """`moment` (aware) as the API writes it, in `zone`."""
    return moment.astimezone(zone).strftime(_WITH_SECONDS)


def read_time(text: str, zone: tzinfo) -> datetime:
    """The moment (UTC) that `text` names in `zone`; both of the API's forms, with and without seconds.

    Raises ValueError where it is neither.
    """
    form = _WITH_SECONDS if text.count(":") == 2 else _WITHOUT_SECONDS
    return datetime.strptime(text, form).replace(tzinfo=zone).astimezone(UTC)
