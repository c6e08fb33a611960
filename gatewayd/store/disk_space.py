"""Free space on the disk, and what the store stops doing when there is too little.

Readings are given up first, then commands, last of all what happened at a lock. `store` acts on it.
"""

import asyncio
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

RESERVE_BYTES: Final = 1 << 20  # some hundred lock events
_MARGIN_BYTES: Final = 1 << 20  # free space below which readings are not written


class StoreProblemKind(Enum):
    """What the store no longer does, and why."""

    DISK_LOW = "readings are not written: the disk is nearly full"
    DISK_FULL = "readings are not written and commands are refused: the disk is full"
    FAILING = "writing fails"
    NOT_KEPT = "commands are refused: the state folder cannot be written"


@dataclass(frozen=True, slots=True)
class StoreProblem:
    """Why the household is sent 设备本地存储错误 (§9)."""

    kind: StoreProblemKind
    reason: str
    since: datetime


class StoreHealth:
    """The present problem, or None; one task may wait for it to change."""

    def __init__(self) -> None:
        self.problem: StoreProblem | None = None
        self._changed = asyncio.Event()

    def set(self, problem: StoreProblem | None) -> None:
        """Make `problem` the present one. One of the same kind as before is no change."""
        before, after = self.problem, problem
        if (before and before.kind) == (after and after.kind):
            return
        self.problem = problem
        if problem:
            log.error("store_problem_began", problem=problem.kind.value, reason=problem.reason)
        else:
            log.info("store_problem_ended")
        self._changed.set()

    async def wait_changed(self) -> StoreProblem | None:
        """Wait for the next change since the last call, and return the problem as it is then. For one task."""
        await self._changed.wait()
        self._changed.clear()
        return self.problem


class DiskSpace:
    """The disk that the database `path` is on, and a reserve: a file there that is deleted when a full disk must take
    what is durable.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._reserve = path.with_name(f"{path.name}.reserve")

    @property
    def is_low(self) -> bool:
        """True while readings should not be written."""
        return self._has_less_than(_MARGIN_BYTES)

    def release_reserve(self) -> bool:
        """Delete the reserve; True if there was one."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def ensure_reserve(self) -> bool:
        """Make the reserve if it is not there and the disk has room for it beside the margin; True if it is there."""
        try:
            if self._reserve.exists():
                return True
            if self._has_less_than(RESERVE_BYTES + _MARGIN_BYTES):
                return False
            with open(os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError:
            self.release_reserve()
            return False
        return True

    def _has_less_than(self, free: int) -> bool:
        """Whether there is less space; False where the disk does not answer, which is no lack of space."""
        try:
            return shutil.disk_usage(self._folder).free < free
        except OSError:
            return False
