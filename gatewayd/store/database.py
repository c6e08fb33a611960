"""Group commit: all transactions that arrive while one group is written form the next group, one fsync for many.

What a transaction means in memory is left to its caller, by callbacks that run on the event loop.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.connection import Connection, sqlite_code, to_store_error
from gatewayd.store.open_files import LostFile

log = structlog.get_logger(__name__)

T = TypeVar("T")

_CHECKPOINT_EVERY: Final = 250  # groups, of some two to eight pages each


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement and its parameters; the parameters may be secret, so they are not shown."""

    sql: str
    parameters: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class Transaction:
    """Statements that are written all or none.

    Then either `on_commit` or `on_failure` run on the event loop, even if the caller was cancelled.
    """

    statements: list[Statement] = field(default_factory=list)
    on_commit: list[Callable[[], object]] = field(default_factory=list)
    on_failure: list[Callable[[], object]] = field(default_factory=list)

    def add(self, sql: str, *parameters: Any) -> None:
        """Add one statement."""
        self.statements.append(Statement(sql, parameters))


@dataclass(slots=True)
class _Pending:
    transaction: Transaction
    durable: bool
    future: asyncio.Future[None]


class Database:
    """All reading and writing of the store.

    `free_space` (called on the connection's thread) frees disk space, for a full disk, and returns whether it could;
    `find_lost_file` (likewise) returns a file of the database that is no longer the one that is open: while there is
    one, nothing durable is written. `on_failure` (on the event loop) is given every error.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        free_space: Callable[[], bool],
        find_lost_file: Callable[[], LostFile | None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._free_space = free_space
        self._find_lost_file = find_lost_file
        self._is_file_lost = False
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._pending: deque[_Pending] = deque()
        self._deferred: deque[Statement] = deque()
        self._synchronous = ""
        self._since_checkpoint = 0

    @property
    def has_deferred(self) -> bool:
        """True while statements of `defer` are not written."""
        return bool(self._deferred)

    def defer(self, sql: str, *parameters: Any) -> None:
        """Write this statement with the next transaction of any caller; a crash before that loses it."""
        self._deferred.append(Statement(sql, parameters))

    async def commit(self, transaction: Transaction, *, durable: bool = True) -> None:
        """Write `transaction`, and return once it is on the medium if `durable` (synchronous=FULL), else once the
        operating system has it.

        Transactions are written in the order of the calls. Raises StoreError, and then nothing of it is written. If the
        caller is cancelled it is written all the same.
        """
        pending = _Pending(transaction, durable, self._loop.create_future())
        self._pending.append(pending)
        # Every call posts: a run that finds nothing costs less than a wrong guess.
        self._connection.post(self._write_pending)
        await pending.future

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, run on the connection's thread between transactions. Raises StoreError."""
        try:
            return await self._connection.run(work)
        except sqlite3.Error as error:
            raise to_store_error(error, "Reading the database failed") from error

    async def check_files(self) -> None:
        """Find out whether a file of the database is lost; `on_failure` is told. What the WAL holds is then copied into
        the database, so that it outlives the process where the WAL alone is lost.
        """
        try:
            await self._connection.run(lambda _: self._check_files())
        except StoreError as error:
            self._on_failure(error)

    # ---- on the connection's thread

    def _check_files(self) -> None:
        """Raises StoreError where a file is lost."""
        lost = self._find_lost_file()
        if lost is None:
            self._is_file_lost = False
            return
        if not self._is_file_lost:
            self._is_file_lost = True
            if not lost.is_cut:
                self._checkpoint()
        raise StoreError(f"Writing to the database failed: {lost}.")

    def _write_pending(self) -> None:
        group: list[_Pending] = []
        while self._pending:
            group.append(self._pending.popleft())
        if not group:
            return
        outcomes = self._commit_group(group)
        self._loop.call_soon_threadsafe(self._complete, group, outcomes)
        if self._since_checkpoint >= _CHECKPOINT_EVERY:  # after the answer, so that no caller waits for it
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Copy the WAL into the database. A failure is harmless: the WAL keeps everything, and the next one copies."""
        self._since_checkpoint = 0
        try:
            self._connection.raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            self._loop.call_soon_threadsafe(self._on_failure, error)

    def _commit_group(self, group: list[_Pending]) -> list[Exception | None]:
        """Each transaction's error, or None. Where the group fails as a whole, each is tried by itself."""
        try:
            return self._write_group(group)
        except Exception as error:  # noqa: BLE001  # whatever it is, each caller must be given it
            full = sqlite_code(error) == sqlite3.SQLITE_FULL
            if full:
                self._free_space()
                self._loop.call_soon_threadsafe(self._on_failure, error)  # even if what was freed is enough
            elif len(group) == 1:
                return [error]
            return [error if full and not one.durable else self._commit_alone(one) for one in group]

    def _commit_alone(self, pending: _Pending) -> Exception | None:
        try:
            return self._write_group([pending])[0]
        except Exception as error:  # noqa: BLE001  # it is handed to the caller
            return error

    def _write_group(self, group: list[_Pending]) -> list[Exception | None]:
        """One SQLite transaction. A transaction with a statement that SQLite refuses is left out by itself."""
        raw = self._connection.raw
        durable = any(one.durable for one in group)
        if durable:
            self._check_files()
        self._set_synchronous(durable)
        deferred = tuple(self._deferred)
        raw.execute("BEGIN IMMEDIATE")
        try:
            for statement in deferred:
                raw.execute(statement.sql, statement.parameters)
            outcomes = [self._execute(raw, one.transaction) for one in group]
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        for _ in deferred:
            self._deferred.popleft()
        self._since_checkpoint += 1
        return outcomes

    @staticmethod
    def _execute(raw: sqlite3.Connection, transaction: Transaction) -> Exception | None:
        raw.execute("SAVEPOINT one")
        try:
            for statement in transaction.statements:
                raw.execute(statement.sql, statement.parameters)
        except Exception as error:
            if not raw.in_transaction or sqlite_code(error) == sqlite3.SQLITE_FULL:
                raise  # SQLite rolled the whole group back, or would
            raw.execute("ROLLBACK TO one")
            raw.execute("RELEASE one")
            return error
        raw.execute("RELEASE one")
        return None

    def _set_synchronous(self, durable: bool) -> None:
        level = "FULL" if durable else "NORMAL"
        if level != self._synchronous:
            self._connection.raw.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    # ---- on the event loop

    def _complete(self, group: list[_Pending], outcomes: list[Exception | None]) -> None:
        for pending, error in zip(group, outcomes, strict=True):
            for callback in pending.transaction.on_failure if error else pending.transaction.on_commit:
                self._call(callback)
            if error:
                self._call(partial(self._on_failure, error))
            if pending.future.done():  # its caller was cancelled
                continue
            if error:
                pending.future.set_exception(_write_error(error))
            else:
                pending.future.set_result(None)

    @staticmethod
    def _call(callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:  # a fault of ours: the callers of the group are answered all the same
            log.exception("store_callback_failed")


def _write_error(error: Exception) -> StoreError:
    translated = to_store_error(error, "Writing to the database failed")
    translated.__cause__ = error
    return translated


def to_ms(moment: datetime) -> int:
    """`moment` (aware) in milliseconds since 1970, UTC."""
    return round(moment.timestamp() * 1000)


def from_ms(stamp: int) -> datetime:
    """The moment of `stamp` (milliseconds since 1970), in UTC."""
    return datetime.fromtimestamp(stamp / 1000, UTC)
