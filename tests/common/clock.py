"""A clock that is set by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class HandClock:
    """Tells `at`; where `known` is False that is the board's clock alone, and no clock can be trusted."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    known: bool = True
    past: datetime = EARLIEST

    def now(self) -> datetime:
        return self.at

    def known_now(self) -> datetime | None:
        return self.at if self.known else None

    def not_before(self) -> datetime:
        return self.past
