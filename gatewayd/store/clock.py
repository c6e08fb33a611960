"""Moments as SQLite keeps them here: whole milliseconds since 1970, UTC."""

from datetime import UTC, datetime


def to_ms(moment: datetime) -> int:
    """`moment` (aware) in milliseconds."""
    return round(moment.timestamp() * 1000)


def from_ms(stamp: int) -> datetime:
    """The moment of `stamp`, in UTC."""
    return datetime.fromtimestamp(stamp / 1000, UTC)
