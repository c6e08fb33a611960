"""The files that SQLite has open, compared with those at their paths: SQLite does not notice that one is gone."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file to which what is written is not there after a restart. `is_cut`: what it held can no longer be read."""

    path: Path
    is_cut: bool

    def __str__(self) -> str:
        return f"{self.path.name} {'was cut' if self.is_cut else 'is gone from the state folder, or replaced'}"


class OpenFiles:
    """The files of a database in WAL mode that one connection has just opened (`locking_mode` EXCLUSIVE).

    SQLite then removes or shortens none of them until the connection is closed.
    """

    def __init__(self, database: Path) -> None:
        self._files = tuple(_OpenFile(path) for path in (database, database.with_name(f"{database.name}-wal")))

    def find_lost(self) -> LostFile | None:
        """A file that is gone from its path, another one than at the start, or shorter than it has been; None where
        there is none. Asks the disk.
        """
        return next(filter(None, (file.find_lost() for file in self._files)), None)


class _OpenFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._bytes = 0
        if (found := _stat(path)) is not None:
            self._identity, self._bytes = found

    def find_lost(self) -> LostFile | None:
        found = _stat(self._path)
        if found is None or found[0] != self._identity:
            return LostFile(self._path, is_cut=False)
        if found[1] < self._bytes:
            return LostFile(self._path, is_cut=True)
        self._bytes = found[1]
        return None


def _stat(path: Path) -> tuple[tuple[int, int], int] | None:
    """What tells the file at `path` from others, and its size; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino), status.st_size
