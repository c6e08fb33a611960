"""The store as a whole: its parts on one database. It flushes readings and reports when writing fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.api_time import UnsureDate, format_api_time
from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import Cipher
from gatewayd.store.cloud_cache import CloudCache
from gatewayd.store.codec import Codec
from gatewayd.store.command_journal import MIN_REPEAT_WINDOW, CommandJournal
from gatewayd.store.connection import Connection, sqlite_code
from gatewayd.store.database import Database, Transaction
from gatewayd.store.disk_space import DiskSpace, StoreHealth, StoreProblem, StoreProblemKind
from gatewayd.store.facts import Facts, Vault
from gatewayd.store.locks import LockStore
from gatewayd.store.mirror import Mirror
from gatewayd.store.open_files import OpenFiles
from gatewayd.store.opening import open_checked
from gatewayd.store.outbox import Outbox

log = structlog.get_logger(__name__)


FLUSH_INTERVAL_S: Final = 5.0
_LOOK_EVERY_S: Final = 5.0  # at the database's files, while nothing is written
_LOOKS_AT_SPACE: Final = 12  # every so many of them at the disk's free space too
_PROBE_FACT: Final = "store-probe"
_REFUSING: Final = frozenset({StoreProblemKind.DISK_FULL, StoreProblemKind.NOT_KEPT})


class Store:
    """One SQLite database and its parts. Made by `open`; `run` belongs in the daemon's TaskGroup.

    `damaged_copy` is where a database that was found damaged has been moved to; None where the file was sound.
    """

    def __init__(
        self,
        connection: Connection,
        disk: DiskSpace,
        files: OpenFiles,
        *,
        now: Callable[[], datetime],
        unsure: Callable[[], UnsureDate | None],
        zone: tzinfo,
        key: bytes,
        key_problem: str | None,
        folder_problem: str | None,
        flush_interval_s: float,
        repeat_window: timedelta,
        damaged_copy: Path | None,
    ) -> None:
        self.damaged_copy = damaged_copy
        self._disk = disk
        self._files = files
        self._now = now
        self._zone = zone
        self._flush_interval_s = flush_interval_s
        self._health = StoreHealth()
        self._has_work = asyncio.Event()
        self._key_problem = key_problem
        self._folder_problem = folder_problem
        cipher = self._cipher = Cipher(key)
        codec = Codec(cipher)
        self.database = Database(
            connection,
            free_space=disk.release_reserve,
            find_lost_file=files.find_lost,
            on_failure=self._write_failed,
        )
        self.outbox = Outbox(self.database, codec, now)
        self.mirror = Mirror(
            self.database,
            codec,
            self.outbox,
            stamp=self._stamp,
            unsure=unsure,
            on_dirty=self._has_work.set,
        )
        self.locks = LockStore(self.database, self.mirror)
        self.journal = CommandJournal(
            self.database, codec, self.outbox, now, self._reason_to_refuse_commands, repeat_window=repeat_window
        )
        self.vault = Vault(self.database, cipher)
        self.facts = Facts(self.database)
        self.cloud_cache = CloudCache(self.database, cipher)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        now: Callable[[], datetime],
        unsure: Callable[[], UnsureDate | None] = lambda: None,
        zone: tzinfo,
        key: bytes,
        key_problem: str | None = None,
        folder_problem: str | None = None,
        flush_interval_s: float = FLUSH_INTERVAL_S,
        repeat_window: timedelta = MIN_REPEAT_WINDOW,
    ) -> AsyncIterator["Store"]:
        """The store at `path`; on leaving, everything in memory is written and the database closed.

        `unsure` returns what goes with a date of `now` while no right clock is known. `zone` is that of the API's
        times, `key` the state key, `key_problem` what is wrong with it, `folder_problem` why what is written is lost
        with a restart: commands are refused then. `repeat_window` is the journal's. A damaged file is moved to
        `damaged_copy` and a new one made. Raises StoreError where the database cannot be used: another process has it
        open, a newer version wrote it, the folder is not writable.
        """
        connection, damaged_copy = await open_checked(path, now)
        try:
            store = cls(
                connection,
                DiskSpace(path),
                OpenFiles(path),
                now=now,
                unsure=unsure,
                zone=zone,
                key=key,
                key_problem=key_problem,
                folder_problem=folder_problem,
                flush_interval_s=flush_interval_s,
                repeat_window=repeat_window,
                damaged_copy=damaged_copy,
            )
            await store._load()
            try:
                yield store
            finally:
                await store._flush_at_exit()
        finally:
            await connection.close()

    @property
    def problem(self) -> StoreProblem | None:
        """Why writing fails; None while it works."""
        return self._health.problem

    def is_in_place(self) -> bool:
        """Whether the files at the database's paths are those that are open. Asks the disk: not for the event loop."""
        return self._files.find_lost() is None

    @property
    def secrets_problem(self) -> str | None:
        """What is wrong with the state key or the secrets that it sealed; None where nothing is."""
        unopened = len(self._cipher.unopened)
        lost = f"{unopened} secrets do not open with this state key: they are made or set anew." if unopened else None
        return " ".join(filter(None, (self._key_problem, lost))) or None

    async def wait_problem_changed(self) -> StoreProblem | None:
        """Wait until the problem is another one, or gone, and return it. For one task."""
        return await self._health.wait_changed()

    async def run(self) -> None:
        """Flush the readings, at most once every `flush_interval_s`; look whether a file of the database is lost; while
        there is a problem, check if it is over.

        A disk that others fill is found though nothing is written.
        """
        while True:
            if self.problem is None:
                await self._wait_for_work()
            await asyncio.sleep(self._flush_interval_s)
            self._has_work.clear()
            await self._flush()

    async def _wait_for_work(self) -> None:
        """Wait until there is work or a problem, a minute at most."""
        for _ in range(_LOOKS_AT_SPACE):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._has_work.wait()
            await self.check_files()
            if self.problem is not None or self._has_work.is_set():
                return

    async def check_files(self) -> None:
        """Find out whether a file of the database is lost, which is a problem. With the WAL alone, nothing in it is."""
        await self.database.check_files()

    async def probe(self) -> None:
        """Return once the database's thread has come to read something. Raises StoreError."""
        await self.database.read(lambda raw: raw.execute("SELECT 1").fetchone())

    async def backup(self, target: Path) -> None:
        """Write a sound copy of the database to `target`, which must not exist. Secrets in it stay sealed.

        Raises StoreError. Commands wait meanwhile.
        """
        await self.mirror.flush()
        await self.database.read(lambda raw: raw.execute("VACUUM INTO ?", (str(target),)))

    async def _load(self) -> None:
        for part in (self.mirror, self.outbox, self.journal, self.locks, self.vault, self.facts, self.cloud_cache):
            await part.load()
        if self._folder_problem:
            self._set_problem(StoreProblemKind.NOT_KEPT, self._folder_problem)
        if self._cipher.unopened:
            log.error("secrets_unreadable", count=len(self._cipher.unopened), remedy="restore the former state key")
        self._disk.ensure_reserve()

    async def _flush_at_exit(self) -> None:
        try:
            await self.mirror.flush()
        except StoreError as error:
            log.warning("readings_lost", reason=str(error))

    async def _flush(self) -> None:
        if self._disk.is_low:
            self._set_problem(StoreProblemKind.DISK_LOW, "less free space than the store needs")
            self.outbox.drop_expired()
            return
        try:
            await self.mirror.flush()
        except StoreError:
            return  # _write_failed has reported it, and the readings are still in memory
        if self.problem and not self._folder_problem and self._disk.ensure_reserve() and await self._is_writable():
            self._health.set(None)

    async def _is_writable(self) -> bool:
        """Whether a durable write succeeds."""
        probe = Transaction()
        probe.add("INSERT OR REPLACE INTO fact VALUES (?, ?)", _PROBE_FACT, self._now().isoformat().encode())
        try:
            await self.database.commit(probe)
        except StoreError:
            return False
        return True

    def _stamp(self, moment: datetime | None) -> str:
        return format_api_time(moment or self._now(), self._zone)

    def _write_failed(self, error: BaseException) -> None:
        full = sqlite_code(error) == sqlite3.SQLITE_FULL
        self._set_problem(StoreProblemKind.DISK_FULL if full else StoreProblemKind.FAILING, str(error))
        self._has_work.set()

    def _set_problem(self, kind: StoreProblemKind, reason: str) -> None:
        present = self.problem.kind if self.problem else None
        if present is StoreProblemKind.NOT_KEPT:
            return
        # A full disk is low too, and the graver problem stays.
        if not (present is StoreProblemKind.DISK_FULL and kind is StoreProblemKind.DISK_LOW):
            self._health.set(StoreProblem(kind, reason, self._now()))

    def _reason_to_refuse_commands(self) -> str | None:
        problem = self.problem
        return problem.reason if problem and problem.kind in _REFUSING else None
