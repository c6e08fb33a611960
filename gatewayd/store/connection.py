"""The one connection: aiosqlite's thread, opened so that flash is spared and a second process is kept out."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite

from gatewayd.model.errors import StoreError

T = TypeVar("T")

_PAGE_BYTES: Final = 4096  # one block of ext4: smaller pages come out larger on the disk
_CHECKPOINT_PAGES: Final = 4000  # a bound alone: `database` checkpoints long before, when no caller waits for it
_PRAGMAS: Final = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    "PRAGMA locking_mode = EXCLUSIVE",  # one process, and no -shm file
    "PRAGMA journal_mode = WAL",
    f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    "PRAGMA secure_delete = OFF",  # what is secret is sealed; overwriting the rest would cost pages
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -1024",  # KiB
)

_STOP_S: Final = 0.5

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamagedError(Exception):
    """The file is no sound database. `opening` handles it; it never leaves this package."""


def sqlite_code(error: BaseException) -> int:
    """SQLite's primary result code of `error`; 0 where it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, able to run a function on its thread: one hop there for a whole transaction.

    aiosqlite has no public call for this; `_tx`, its queue, is the only private part of it that is used (0.22).
    """

    def post(self, work: Callable[[], None]) -> None:
        """Run `work`, which must not raise, on the thread, after what is queued there."""
        self._tx.put_nowait((None, work))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, run on the thread, after what is queued there."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(work, self.raw)))
        return await future

    async def abandon(self) -> None:
        """Break off what the thread does, and close; returns soon, even where the thread does not end."""
        self.raw.interrupt()
        await stop_soon(self)

    @property
    def raw(self) -> sqlite3.Connection:
        """sqlite3's own connection, to be used on the thread alone."""
        return self._conn


async def stop_soon(connection: aiosqlite.Connection) -> None:
    """Close a connection and have its thread end; wait for that for a short time at most, whatever the thread does."""
    stopped = connection.stop()
    if stopped is not None:
        await asyncio.wait({stopped}, timeout=_STOP_S)


def connect(path: Path) -> Connection:
    """A connection to `path`, not yet open. The file exists after this, readable by its owner alone."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # before there is a thread to be stopped
    return Connection(partial(sqlite3.connect, path, timeout=0, isolation_level=None), iter_chunk_size=64)


def prepare(raw: sqlite3.Connection) -> None:
    """Set the pragmas, take the lock and check the file (on the thread).

    Raises DamagedError for a damaged file, sqlite3.Error for anything else.
    """
    try:
        for pragma in _PRAGMAS:
            raw.execute(pragma)
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("COMMIT")
        faults = [text for (text,) in raw.execute("PRAGMA quick_check(1)") if text != "ok"]
    except sqlite3.DatabaseError as error:
        if sqlite_code(error) in _DAMAGED:
            raise DamagedError(str(error)) from error
        raise
    if faults:
        raise DamagedError(faults[0])


def to_store_error(error: BaseException, attempted: str) -> StoreError:
    """`error` as a StoreError that says what was `attempted`."""
    if isinstance(error, StoreError):
        return error
    if sqlite_code(error) in _BUSY:
        return StoreError(f"{attempted}: another process has the database open. Is gatewayd already running?")
    return StoreError(f"{attempted}: {error}")
