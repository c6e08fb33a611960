"""What it takes to run one kind of broker: who may do what, told to it in its own way, and how it is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class BrokerError(Exception):
    """The broker cannot be had, or does not start."""


@dataclass(frozen=True, slots=True)
class BrokerProcess:
    """Where a broker listens, its users (name: password), and the topic filters that each may read and write."""

    host: str
    port: int
    users: Mapping[str, str] = field(repr=False)
    filters: Mapping[str, Sequence[str]]


class BrokerKind(Protocol):
    """A program that can be the broker."""

    name: str

    def is_installed(self) -> bool:
        """True where it can be started."""
        ...

    async def prepare(self, plan: BrokerProcess, folder: Path) -> list[str]:
        """Write its configuration into `folder`; the command that runs it. Raises BrokerError."""
        ...
