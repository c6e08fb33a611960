"""What the two kinds of broker have in common: their settings, and how one is prepared to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class BrokerError(Exception):
    """No broker is installed, or it does not start."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where a broker listens, its users (name → password), and the topic filters that each may read and write."""

    host: str
    port: int
    users: Mapping[str, str] = field(repr=False)
    filters: Mapping[str, Sequence[str]]


class BrokerKind(Protocol):
    """A program that can be the broker."""

    name: str

    def is_installed(self) -> bool: ...

    async def prepare(self, settings: BrokerSettings, folder: Path) -> list[str]:
        """Write its configuration into `folder`, and return the command that runs it. Raises BrokerError."""
        ...
