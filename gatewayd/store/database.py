"""One SQLite connection in one thread, and writes that share their commits.

Whoever writes waits for his own commit; what others wrote meanwhile goes into the same transaction, so that one fsync
serves many. A write that fails is rolled back alone (SAVEPOINT). Readings are committed without fsync (WAL keeps the
file sound), everything else with it. What is written is the business of the mirror, the outbox and the others.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from gatewayd.model.errors import StoreError
from gatewayd.store.reserve import Reserve

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_PRAGMAS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one daemon; and no shared-memory file to write
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 256",  # pages: a small WAL on a small flash, written back in bulk
    "PRAGMA cache_size = -512",  # KiB; the working set is in memory anyway
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
)


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    durable: bool
    then: Callable[[], None] | None
    done: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Database:
    """The open database. `problem` says why it cannot be written at present; None when the last write went well."""

    connection: aiosqlite.Connection
    reserve: Reserve
    problem: str | None = None
    _waiting: deque[_Write] = field(default_factory=deque)
    _synchronous: bool = True

    async def write(self, work: Work[T], *, durable: bool = True, then: Callable[[], None] | None = None) -> T:
        """Run `work` in a transaction; committed when this returns, and on the flash if `durable`.

        Goes on to its end when the caller is cancelled; `then` is called (in the loop) once it is committed, whether
        or not the caller still waits. Raises StoreError when the disk is full or the file damaged.
        """
        write = _Write(work, durable, then, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        # aiosqlite's thread runs one function after the other: the first of these takes all that wait by then. (Its
        # public methods are a statement each, and a thread's wake-up a statement is what costs here.)
        await self._in_thread(self._commit_waiting)
        result: T = await write.done
        return result

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads."""
        result: T = await self._in_thread(work, self.connection._conn)
        return result

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.connection._execute(function, *arguments)  # type: ignore[no-untyped-call]  # aiosqlite's

    def _commit_waiting(self) -> None:
        """In the thread: one transaction for every write that waits."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not batch:
            return
        durable = any(write.durable for write in batch)
        try:
            try:
                self._transact(batch, durable=durable)
            except sqlite3.OperationalError as error:
                if not (durable and _is_full(error) and self.reserve.release()):
                    raise
                # The reserve is for what must not be lost: readings wait for better times.
                for write in batch:
                    if not write.durable:
                        write.error = error
                self._transact([write for write in batch if write.durable], durable=True)
            self.problem = None
        except sqlite3.Error as error:
            self.problem = str(error)
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  (a lone write's own fault, raised where it was asked for)
            _fail(batch, error)
        loop = batch[0].done.get_loop()
        loop.call_soon_threadsafe(_resolve, batch)

    def _transact(self, batch: list[_Write], *, durable: bool) -> None:
        connection = self.connection._conn
        if durable is not self._synchronous:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synchronous = durable
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                self._run_one(connection, write, alone=len(batch) == 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _run_one(self, connection: sqlite3.Connection, write: _Write, *, alone: bool) -> None:
        if alone:
            write.result = write.work(connection)
            return
        connection.execute("SAVEPOINT one")
        try:
            write.result = write.work(connection)
        except sqlite3.OperationalError:
            raise  # the disk or the file, not this write
        except Exception as error:  # noqa: BLE001  (it is the caller's, and is raised there)
            connection.execute("ROLLBACK TO one")
            write.error = error
        connection.execute("RELEASE one")


def _fail(batch: list[_Write], error: Exception) -> None:
    for write in batch:
        write.error = write.error or error


def _resolve(batch: list[_Write]) -> None:
    for write in batch:
        if write.error is None and write.then is not None:
            write.then()
        if write.done.done():
            continue
        if isinstance(write.error, sqlite3.Error):
            refused = StoreError(f"the database refused a write: {write.error}")
            refused.__cause__ = write.error
            write.done.set_exception(refused)
        elif write.error is not None:
            write.done.set_exception(write.error)
        else:
            write.done.set_result(write.result)


def _is_full(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


@asynccontextmanager
async def connect(path: Path, reserve: Reserve) -> AsyncIterator[Database]:
    """Open `path`; closes with the WAL written back. Raises StoreError where another process has it."""
    connection = await aiosqlite.connect(path, isolation_level=None, timeout=1)
    try:
        for pragma in _PRAGMAS:
            await connection.execute_fetchall(pragma)
        yield Database(connection, reserve)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise StoreError(f"{path}: another process has it open; only one gatewayd can run on it") from error
        raise
    finally:
        await connection.close()
