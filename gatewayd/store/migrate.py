"""Numbered SQL files bring a database from whatever version it has to today's, each in a transaction of its own."""

import sqlite3
from collections.abc import Iterable
from importlib import resources

import structlog

from gatewayd.model.errors import StoreError

log = structlog.get_logger()

Migration = tuple[int, str]


def shipped() -> tuple[Migration, ...]:
    """The migrations of this version: (number, SQL), in order."""
    folder = resources.files("gatewayd.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple((int(file.name.partition("_")[0]), file.read_text(encoding="utf-8")) for file in files)


def migrate(connection: sqlite3.Connection, migrations: Iterable[Migration]) -> int:
    """Apply what is missing; returns the version. Raises StoreError where the database is of a newer gatewayd."""
    migrations = tuple(migrations)
    newest = migrations[-1][0]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise StoreError(f"the database is of version {version}, this gatewayd knows {newest}; install a newer one")
    for number, sql in migrations:
        if number <= version:
            continue
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StoreError(f"migration {number} failed, the database stays at {number - 1}: {error}") from error
        log.info("database_migrated", version=number)
    return newest
