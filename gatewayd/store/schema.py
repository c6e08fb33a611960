"""Migrates a database to this version's schema: numbered SQL files, each in a transaction of its own."""

import sqlite3
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable

from gatewayd.model.errors import StoreError


def migrations() -> tuple[tuple[int, str], ...]:
    """This version's migrations, (number, SQL), in order."""
    return read_migrations(files("gatewayd.store").joinpath("migrations").iterdir())


def read_migrations(entries: Iterable[Traversable]) -> tuple[tuple[int, str], ...]:
    """The migrations among `entries`: files named <number>_<what>.sql."""
    found = (entry for entry in entries if entry.name.endswith(".sql"))
    return tuple(sorted((int(entry.name.split("_")[0]), entry.read_text("utf-8")) for entry in found))


def migrate(raw: sqlite3.Connection, steps: tuple[tuple[int, str], ...]) -> None:
    """Run those of `steps`, (number, SQL), that are newer than the database's PRAGMA user_version.

    Raises StoreError for a database of a newer version, and for a step that fails, which leaves the database as it was.
    """
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    newest = steps[-1][0]
    if version > newest:
        raise StoreError(
            f"The database has schema {version}, and this gatewayd knows none above {newest}. "
            "It was written by a newer gatewayd: install that again, or restore a backup."
        )
    for number, sql in steps:
        if number > version:
            _run_step(raw, number, sql)


def _run_step(raw: sqlite3.Connection, number: int, sql: str) -> None:
    try:
        raw.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
    except sqlite3.Error as error:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise StoreError(f"Migration {number} of the database failed, and nothing of it stands: {error}") from error
