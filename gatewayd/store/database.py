"""Group commit: all writes that arrive while one commits go into the next transaction, one fsync for many.

A write is a list of statements; what it means in memory is its owner's business, told by callbacks on the loop.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from gatewayd.model.errors import StoreError
from gatewayd.store.connection import Connection, code_of, translated

T = TypeVar("T")

_CHECKPOINT_EVERY: Final = 250  # transactions, of some two to eight pages each


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement and its parameters; the parameters may be secret, so they are not shown."""

    sql: str
    parameters: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class Write:
    """Statements of one transaction. `on_commit` or `on_failure` run on the loop, even if the caller was cancelled."""

    statements: list[Statement] = field(default_factory=list)
    on_commit: list[Callable[[], object]] = field(default_factory=list)
    on_failure: list[Callable[[], object]] = field(default_factory=list)

    def add(self, sql: str, *parameters: Any) -> None:
        """One more statement."""
        self.statements.append(Statement(sql, parameters))


@dataclass(slots=True)
class _PendingWrite:
    write: Write
    durable: bool
    future: asyncio.Future[None]


class Database:
    """All reading and writing goes through here.

    `room_made` (called on the thread) frees disk space and says if it could; `failed` hears of every failure.
    """

    def __init__(
        self, connection: Connection, *, room_made: Callable[[], bool], failed: Callable[[BaseException], None]
    ) -> None:
        self._connection = connection
        self._room_made = room_made
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_PendingWrite] = deque()
        self._later: deque[Statement] = deque()
        self._synchronous = ""
        self._since_checkpoint = 0

    @property
    def has_later(self) -> bool:
        """True while statements wait for a transaction to ride with."""
        return bool(self._later)

    def write_later(self, sql: str, *parameters: Any) -> None:
        """Write this with the next transaction, whosever it is; a crash before that loses it."""
        self._later.append(Statement(sql, parameters))

    async def commit(self, write: Write, *, durable: bool = True) -> None:
        """Returns when `write` stands: on the medium if `durable` (synchronous=FULL), else out of this process.

        Writes stand in the order of their calls. Raises StoreError if it does not stand. If the caller is cancelled
        the write goes on.
        """
        job = _PendingWrite(write, durable, self._loop.create_future())
        self._waiting.append(job)
        self._connection.post(self._drain)  # every call posts: a drain that finds nothing costs less than a wrong guess
        await job.future

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, run on the connection's thread between transactions. Raises StoreError."""
        try:
            return await self._connection.run(work)
        except sqlite3.Error as error:
            raise translated(error, "Reading the database failed") from error

    # ---- on the connection's thread

    def _drain(self) -> None:
        jobs: list[_PendingWrite] = []
        while self._waiting:
            jobs.append(self._waiting.popleft())
        if not jobs:
            return
        outcomes = self._commit_all(jobs)
        self._loop.call_soon_threadsafe(self._settle, jobs, outcomes)
        if self._since_checkpoint >= _CHECKPOINT_EVERY:  # after the answer, so that nobody waits for it
            self.checkpoint()

    def checkpoint(self) -> None:
        """Copy the log into the database. What fails here is tried again: the log keeps everything."""
        self._since_checkpoint = 0
        try:
            self._connection.raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            self._loop.call_soon_threadsafe(self._failed, error)

    def _commit_all(self, jobs: list[_PendingWrite]) -> list[Exception | None]:
        try:
            return self._transact(jobs)
        except Exception as error:  # noqa: BLE001  # whatever it is, each caller must hear of it
            full = code_of(error) == sqlite3.SQLITE_FULL
            if full:
                self._room_made()
                self._loop.call_soon_threadsafe(self._failed, error)  # even if the room that was made is enough
            elif len(jobs) == 1:
                return [error]
            return [error if full and not job.durable else self._commit_alone(job) for job in jobs]

    def _commit_alone(self, job: _PendingWrite) -> Exception | None:
        try:
            return self._transact([job])[0]
        except Exception as error:  # noqa: BLE001  # it is handed to the caller
            return error

    def _transact(self, jobs: list[_PendingWrite]) -> list[Exception | None]:
        """One transaction; a job whose statement is refused falls out of it alone."""
        raw = self._connection.raw
        self._synchronize(any(job.durable for job in jobs))
        riders = tuple(self._later)
        raw.execute("BEGIN IMMEDIATE")
        try:
            for statement in riders:
                raw.execute(statement.sql, statement.parameters)
            outcomes = [self._attempt(raw, job.write) for job in jobs]
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        for _ in riders:
            self._later.popleft()
        self._since_checkpoint += 1
        return outcomes

    @staticmethod
    def _attempt(raw: sqlite3.Connection, write: Write) -> Exception | None:
        raw.execute("SAVEPOINT job")
        try:
            for statement in write.statements:
                raw.execute(statement.sql, statement.parameters)
        except Exception as error:
            if not raw.in_transaction or code_of(error) == sqlite3.SQLITE_FULL:
                raise  # SQLite gave the whole transaction up, or would
            raw.execute("ROLLBACK TO job")
            raw.execute("RELEASE job")
            return error
        raw.execute("RELEASE job")
        return None

    def _synchronize(self, durable: bool) -> None:
        level = "FULL" if durable else "NORMAL"
        if level != self._synchronous:
            self._connection.raw.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    # ---- on the loop

    def _settle(self, jobs: list[_PendingWrite], outcomes: list[Exception | None]) -> None:
        for job, error in zip(jobs, outcomes, strict=True):
            for callback in job.write.on_failure if error else job.write.on_commit:
                callback()
            if error:
                self._failed(error)
            if job.future.done():  # its caller was cancelled
                continue
            if error:
                job.future.set_exception(_told(error))
            else:
                job.future.set_result(None)


def _told(error: Exception) -> StoreError:
    told = translated(error, "Writing to the database failed")
    told.__cause__ = error
    return told


def to_ms(moment: datetime) -> int:
    """`moment` (aware) in milliseconds."""
    return round(moment.timestamp() * 1000)


def from_ms(stamp: int) -> datetime:
    """The moment of `stamp`, in UTC."""
    return datetime.fromtimestamp(stamp / 1000, UTC)
