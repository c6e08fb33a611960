"""Opens the database: locked, checked, migrated. A damaged file is moved to a name with the time."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.connection import Connection, DamagedError, connect, prepare, to_store_error
from gatewayd.store.schema import migrate, migrations
from gatewayd.store.state_key import sync_folder

log = structlog.get_logger(__name__)


async def open_checked(path: Path, now: Callable[[], datetime]) -> tuple[Connection, Path | None]:
    """A checked and migrated connection to `path`, and where a damaged file was moved to (None: it was sound).

    Raises StoreError.
    """
    try:
        return await _open(path), None
    except DamagedError as error:
        damaged_copy = set_aside(path, now(), str(error))
    try:
        return await _open(path), damaged_copy
    except DamagedError as error:
        raise StoreError(f"A new database at {path} is damaged too: {error}. The disk may be failing.") from error


async def _open(path: Path) -> Connection:
    try:
        connection = await connect(path)
    except (OSError, sqlite3.Error) as error:
        raise to_store_error(error, f"Opening the database {path} failed") from error
    assert isinstance(connection, Connection)
    try:
        await connection.run(prepare)
        await connection.run(partial(migrate, steps=migrations()))
    except sqlite3.Error as error:
        await connection.close()
        raise to_store_error(error, f"Opening the database {path} failed") from error
    except (DamagedError, StoreError):
        await connection.close()
        raise
    except BaseException:  # cancelled: to check a large database takes longer than the daemon may take to stop
        await connection.abandon()
        raise
    return connection


def set_aside(path: Path, moment: datetime, reason: str) -> Path:
    """Move a damaged database, with its WAL, to a name with the time; returns that name."""
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    moved_to = path.with_name(f"{path.name}.damaged-{stamp}")
    for number in range(2, 100):
        if not moved_to.exists():
            break
        moved_to = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(moved_to.with_name(moved_to.name + suffix))
    sync_folder(path.parent)
    log.warning("database_set_aside", path=str(path), moved_to=str(moved_to), reason=reason)
    return moved_to
