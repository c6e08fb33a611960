"""The store as a whole: its parts on one database; flushes readings, and says when writing fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.api_time import format_api_time
from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import Cipher
from gatewayd.store.cloud_cache import CloudCache
from gatewayd.store.codec import Codec
from gatewayd.store.command_journal import CommandJournal
from gatewayd.store.connection import Connection, code_of
from gatewayd.store.database import Database
from gatewayd.store.disk_space import DiskSpace, Health, StoreProblem, Trouble
from gatewayd.store.facts import Facts, Vault
from gatewayd.store.locks import LockStore
from gatewayd.store.mirror import Mirror
from gatewayd.store.opening import open_sound
from gatewayd.store.outbox import Outbox

log = structlog.get_logger(__name__)


FLUSH_INTERVAL_S: Final = 5.0


class Store:
    """One SQLite database and its parts. Made by `open`; `run` belongs in the daemon's TaskGroup."""

    def __init__(
        self,
        connection: Connection,
        space: DiskSpace,
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
        key: bytes,
        flush_interval_s: float,
        set_aside: Path | None,
    ) -> None:
        self.set_aside = set_aside
        self._space = space
        self._now = now
        self._zone = zone
        self._flush_interval_s = flush_interval_s
        self._health = Health()
        self._stirred = asyncio.Event()
        cipher = Cipher(key)
        codec = Codec(cipher)
        self._database = Database(connection, room_made=space.release, failed=self._write_failed)
        self.outbox = Outbox(self._database, codec, now)
        self.mirror = Mirror(self._database, codec, self.outbox, stamp=self._stamp, stirred=self._stirred.set)
        self.locks = LockStore(self._database, self.mirror)
        self.journal = CommandJournal(self._database, codec, self.outbox, now, self._refuses_commands)
        self.vault = Vault(self._database, cipher)
        self.facts = Facts(self._database)
        self.copies = CloudCache(self._database, cipher)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
        key: bytes,
        flush_interval_s: float = FLUSH_INTERVAL_S,
    ) -> AsyncIterator["Store"]:
        """The store at `path`; on leaving, everything in memory is written and the database closed.

        `zone` is that of the API's times, `key` the state key. A damaged file is set aside (`set_aside` says under
        which name) and a new one made. Raises StoreError where the database cannot be used: another process has it, it
        is of a newer version, the folder is not writable.
        """
        connection, set_aside = await open_sound(path, now)
        try:
            store = cls(
                connection,
                DiskSpace(path),
                now=now,
                zone=zone,
                key=key,
                flush_interval_s=flush_interval_s,
                set_aside=set_aside,
            )
            await store._load()
            try:
                yield store
            finally:
                await store._finish()
        finally:
            await connection.close()

    @property
    def problem(self) -> StoreProblem | None:
        """Why writing fails; None while all is well."""
        return self._health.problem

    async def problem_changed(self) -> StoreProblem | None:
        """Waits until the problem is another one, or gone, and returns it. For one watcher."""
        return await self._health.changed()

    async def run(self) -> None:
        """Flush the readings, at most once every `flush_interval_s`; look, while there is a problem, if it is over."""
        while True:
            if self.problem is None:
                await self._stirred.wait()
            await asyncio.sleep(self._flush_interval_s)
            self._stirred.clear()
            await self._flush()

    async def backup(self, target: Path) -> None:
        """Write a sound copy of the database to `target`, which must not exist. Secrets in it stay sealed.

        Raises StoreError. Commands wait meanwhile.
        """
        await self.mirror.flush()
        await self._database.read(lambda raw: raw.execute("VACUUM INTO ?", (str(target),)))

    async def _load(self) -> None:
        for part in (self.mirror, self.outbox, self.journal, self.locks, self.vault, self.facts, self.copies):
            await part.load()
        self._space.keep()

    async def _finish(self) -> None:
        try:
            await self.mirror.flush()
        except StoreError as error:
            log.warning("readings_lost", reason=str(error))

    async def _flush(self) -> None:
        if self._space.is_low:
            self._become(Trouble.LOW, "less free space than the store needs")
            self.outbox.drop_stale_answers()
            return
        try:
            await self.mirror.flush()
        except StoreError:
            return  # said by _write_failed; the readings are in memory still
        if self.problem and self._space.keep():
            self._health.become(None)

    def _stamp(self, moment: datetime | None) -> str:
        return format_api_time(moment or self._now(), self._zone)

    def _write_failed(self, error: BaseException) -> None:
        full = code_of(error) == sqlite3.SQLITE_FULL
        self._become(Trouble.FULL if full else Trouble.FAILING, str(error))
        self._stirred.set()

    def _become(self, trouble: Trouble, reason: str) -> None:
        graver = self.problem and self.problem.trouble is Trouble.FULL
        if not (graver and trouble is Trouble.LOW):
            self._health.become(StoreProblem(trouble, reason, self._now()))

    def _refuses_commands(self) -> str | None:
        problem = self.problem
        return problem.reason if problem and problem.trouble is Trouble.FULL else None
