"""zigpy's own database, which holds what makes the network: devices, their interviews, groups, backups.

zigpy also writes each attribute value and each "last seen" to it. Here the mirror stores values, once.
"""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import zigpy.appdb

from gatewayd.store.connection import stop_soon
from gatewayd.store.opening import set_aside

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class QuietDatabase(zigpy.appdb.PersistingListener):
    """zigpy's database without the writes that come with every report, closed however it is left."""

    _is_shut_down = False

    @classmethod
    async def new(cls, database_file: str, app: Any) -> "QuietDatabase":
        """Open the database. As zigpy's own, which leaves the connection's thread running when it is cancelled."""
        connection = await zigpy.appdb.aiosqlite_connect(
            database_file, detect_types=sqlite3.PARSE_DECLTYPES, isolation_level="DEFERRED"
        )
        database = cls(connection, app)
        try:
            await database.initialize_tables()
        except BaseException:
            await database.abandon()
            raise
        database.running = True
        return database

    async def abandon(self) -> None:
        """Close the connection where `shutdown` has not come to that, else do nothing; returns soon."""
        if self._is_shut_down:
            return
        self.running = False
        self._worker_task.cancel()
        if self._commit_task is not None:
            self._commit_task.cancel()
        await stop_soon(self._db)

    async def shutdown(self) -> None:
        """Write what is left, and close."""
        await super().shutdown()
        self._is_shut_down = True

    def on_attribute_read(self, event: Any) -> None:
        """Nothing is written: the mirror stores the value."""

    on_attribute_reported = on_attribute_updated = on_attribute_written = on_attribute_read

    def device_last_seen_updated(self, device: Any, last_seen: Any) -> None:
        """Nothing is written: availability counts from the start of the daemon."""


def prepare_database(path: Path, now: datetime) -> None:
    """Leave a file at `path` that zigpy can open, readable by its owner alone: it contains the network's keys.

    A damaged file is set aside under a name with the time: the coordinator holds the network, and its devices are
    interviewed again when they send something.
    """
    if path.exists() and (reason := _find_damage(path)):
        set_aside(path, now, reason)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _find_damage(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            faults = [text for (text,) in connection.execute("PRAGMA quick_check(1)") if text != "ok"]
    except sqlite3.DatabaseError as error:
        return str(error) if error.sqlite_errorcode & 0xFF in _DAMAGED else None
    return faults[0] if faults else None
