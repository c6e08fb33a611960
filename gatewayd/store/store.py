"""The store as the daemon holds it: opened whole, or set aside and begun anew; its housekeeping in one loop."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store import migrate
from gatewayd.store.database import Database, connect
from gatewayd.store.facts import Facts
from gatewayd.store.journal import Journal
from gatewayd.store.lockbook import LockBook
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox
from gatewayd.store.reserve import Reserve
from gatewayd.store.vault import Vault

log = structlog.get_logger()

FLUSH_INTERVAL_S: Final = 5.0
_HOUSEKEEPING_S: Final = 3600.0
_ANSWERS_WAITED_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that survives. `set_aside` is where a damaged database was put, if there was one."""

    mirror: Mirror
    outbox: Outbox
    journal: Journal
    locks: LockBook
    vault: Vault
    facts: Facts
    database: Database
    now: Callable[[], datetime]
    flush_interval_s: float
    set_aside: Path | None

    @property
    def problem(self) -> str | None:
        """Why nothing can be written at present; None when all is well."""
        return self.database.problem

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
        """The store at `path`; what was read last is on disk when this is left.

        A database that fails its check is set aside and a new one begun. Raises StoreError where another process has
        it open or a newer gatewayd wrote it.
        """
        set_aside = await asyncio.to_thread(_set_aside_if_damaged, path, now)
        reserve = Reserve(path.with_name(path.name + ".reserve"))
        async with connect(path, reserve) as database:
            await database.read(lambda connection: migrate.migrate(connection, migrate.shipped()))
            await asyncio.to_thread(reserve.take)
            outbox = await Outbox.open(database, now)
            mirror = Mirror(database, outbox, await database.read(Mirror.load), now, zone)
            store = cls(
                mirror=mirror,
                outbox=outbox,
                journal=Journal(database, outbox, now),
                locks=LockBook(database, mirror, await database.read(LockBook.load)),
                vault=Vault(database, key),
                facts=Facts(database, await database.read(Facts.load)),
                database=database,
                now=now,
                flush_interval_s=flush_interval_s,
                set_aside=set_aside,
            )
            try:
                yield store
            finally:
                await store._flush()

    async def run(self) -> None:
        """Write readings every few seconds, and tidy up every hour, until cancelled."""
        clock = asyncio.get_running_loop().time
        tidy_at = clock()
        while True:
            await asyncio.sleep(self.flush_interval_s)
            await self._flush()
            if clock() >= tidy_at:
                tidy_at = clock() + _HOUSEKEEPING_S
                await self._tidy()

    async def _flush(self) -> None:
        was_sound = self.problem is None
        try:
            await self.mirror.flush()
        except StoreError as error:
            if was_sound:
                log.error("readings_not_written", reason=str(error))  # noqa: TRY400  (the reason is the whole story)

    async def _tidy(self) -> None:
        try:
            await self.journal.prune()
            await self.locks.prune()
            await self.outbox.drop_answers(self.now() - _ANSWERS_WAITED_FOR)
            await asyncio.to_thread(self.database.reserve.take)
        except StoreError as error:
            log.error("store_not_tidied", reason=str(error))  # noqa: TRY400


def _set_aside_if_damaged(path: Path, now: Callable[[], datetime]) -> Path | None:
    """Move a damaged database (and its WAL) out of the way; where it went, or None where it is sound or not there."""
    if not path.exists():
        return None
    damage = _damage(path)
    if damage is None:
        return None
    aside = path.with_name(f"{path.name}.damaged-{now():%Y%m%dT%H%M%SZ}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    log.error("database_set_aside", to=str(aside), reason=damage)
    return aside


def _damage(path: Path) -> str | None:
    """What is wrong with the file; None where it is sound, or somebody else has it (opening it will say so)."""
    try:
        connection = sqlite3.connect(path, timeout=1)
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        return None if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else str(found)
