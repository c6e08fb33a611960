"""A little disk space held back for what must not be lost: when the disk is full, it is given free."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SIZE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Reserve:
    """A file that takes `_SIZE` bytes of the disk until they are needed."""

    path: Path

    def take(self) -> bool:
        """Hold the space back (again); False where the disk has none to spare."""
        if self.path.exists():
            return True
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, _SIZE)
            finally:
                os.close(handle)
        except OSError:
            self.path.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the space free; False where it was free already."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
