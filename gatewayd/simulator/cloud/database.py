"""The simulated cloud's SQLite database, in memory or in a file. The API's rules are the sections' modules'."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Row = dict[str, Any]

_SCHEMA: Final = """
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL,
    token TEXT NOT NULL DEFAULT '', is_active INTEGER NOT NULL DEFAULT 1, user_admin INTEGER NOT NULL DEFAULT 0,
    email TEXT NOT NULL DEFAULT 'none', first_name TEXT NOT NULL DEFAULT 'none', last_name TEXT NOT NULL DEFAULT 'none',
    language TEXT NOT NULL DEFAULT 'chs', date_joined TEXT NOT NULL, last_login TEXT,
    wechat_service TEXT NOT NULL DEFAULT '', qq_service TEXT NOT NULL DEFAULT '', ip_joined TEXT NOT NULL DEFAULT '',
    addr_joined TEXT NOT NULL DEFAULT '', avatar_url TEXT NOT NULL DEFAULT '', signature TEXT NOT NULL DEFAULT '',
    extend_userinfo TEXT NOT NULL DEFAULT '', avatar BLOB, avatar_type TEXT);
CREATE TABLE codes (username TEXT PRIMARY KEY, code TEXT NOT NULL);
CREATE TABLE homes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES accounts, title TEXT NOT NULL, icon TEXT);
CREATE TABLE spaces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, home_id INTEGER NOT NULL REFERENCES homes ON DELETE CASCADE,
    superior_id INTEGER REFERENCES spaces ON DELETE CASCADE, type TEXT NOT NULL, icon TEXT, title TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES accounts, uuid TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL, type_sub TEXT, title TEXT, ver TEXT, icon TEXT,
    wire TEXT NOT NULL);
CREATE TABLE authorizations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, info_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    authorizer_id INTEGER NOT NULL REFERENCES accounts, authorized_id INTEGER NOT NULL REFERENCES accounts,
    remarks TEXT NOT NULL DEFAULT '', perm INTEGER NOT NULL, UNIQUE (info_id, authorized_id));
CREATE TABLE members (
    id INTEGER PRIMARY KEY AUTOINCREMENT, home_id INTEGER NOT NULL REFERENCES homes ON DELETE CASCADE,
    user_id INTEGER REFERENCES accounts, title TEXT NOT NULL, icon TEXT, is_remind INTEGER NOT NULL DEFAULT 0,
    remind_time_start TEXT, remind_time_end TEXT,
    is_remind_week0 INTEGER NOT NULL DEFAULT 0, is_remind_week1 INTEGER NOT NULL DEFAULT 0,
    is_remind_week2 INTEGER NOT NULL DEFAULT 0, is_remind_week3 INTEGER NOT NULL DEFAULT 0,
    is_remind_week4 INTEGER NOT NULL DEFAULT 0, is_remind_week5 INTEGER NOT NULL DEFAULT 0,
    is_remind_week6 INTEGER NOT NULL DEFAULT 0, UNIQUE (home_id, title));
CREATE TABLE keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT, info_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    member_id INTEGER REFERENCES members ON DELETE SET NULL, key_type INTEGER NOT NULL, key_name TEXT NOT NULL,
    key_number NOT NULL);
CREATE TABLE passwords (
    id INTEGER PRIMARY KEY AUTOINCREMENT, info_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    authorizer INTEGER NOT NULL REFERENCES accounts, phone TEXT NOT NULL, title TEXT, start_time TEXT NOT NULL,
    end_time TEXT NOT NULL, duration INTEGER NOT NULL, created_time TEXT NOT NULL, temporary_password TEXT NOT NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES accounts,
    info_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE, category TEXT NOT NULL, level INTEGER NOT NULL,
    message_type TEXT NOT NULL, flag TEXT NOT NULL, created_time TEXT NOT NULL, occur_time TEXT NOT NULL,
    content TEXT NOT NULL);
CREATE INDEX messages_of_a_device ON messages (info_id, occur_time);
CREATE TABLE versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device_type INTEGER NOT NULL, version TEXT NOT NULL, filename TEXT NOT NULL,
    create_time TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', checksum TEXT NOT NULL);
CREATE TABLE files (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE releases (id INTEGER PRIMARY KEY AUTOINCREMENT, wire TEXT NOT NULL);
CREATE TABLE sent (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, receiver TEXT NOT NULL, content TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class RowPage:
    """One page of a query's rows; `total` counts all of them."""

    rows: list[Row]
    total: int


class CloudDatabase:
    """Rows are dicts. Names of tables and columns are trusted (they come from code), values are not."""

    def __init__(self, path: Path | None = None) -> None:
        is_new = path is None or not path.exists()
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.row_factory = _as_dict
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA synchronous = OFF")  # its data need not survive a power cut
        if is_new:
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; it cannot be used afterwards."""
        self._connection.close()

    def all(self, query: str, *values: Any) -> list[Row]:
        """Execute a statement; returns the rows of a SELECT."""
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Row | None:
        """The first row of a SELECT; None where there is none."""
        row: Row | None = self._connection.execute(query, values).fetchone()
        return row

    def page(self, query: str, values: Iterable[Any], limit: int, number: int) -> RowPage:
        """Page `number` (from 1) of a SELECT."""
        parameters = tuple(values)
        counted = self.one(f"SELECT count(*) AS total FROM ({query})", *parameters)  # noqa: S608  (text from code)
        assert counted is not None
        return RowPage(
            self.all(f"{query} LIMIT ? OFFSET ?", *parameters, limit, (number - 1) * limit), counted["total"]
        )

    def get(self, table: str, id_: Any) -> Row | None:
        """The row with that id; None where there is none."""
        return self.one(f"SELECT * FROM {table} WHERE id = ?", id_)  # noqa: S608  (a name from code)

    def add(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row; returns its id."""
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        text = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  (as above)
        id_ = self._connection.execute(text, tuple(row.values())).lastrowid
        assert id_ is not None
        return id_

    def change(self, table: str, id_: int, changes: Mapping[str, Any]) -> None:
        """Change columns of a row."""
        if changes:
            named = ", ".join(f"{name} = ?" for name in changes)
            self.all(f"UPDATE {table} SET {named} WHERE id = ?", *changes.values(), id_)  # noqa: S608  (as above)

    def remove(self, table: str, id_: int) -> None:
        """Delete a row, with those that refer to it ON DELETE CASCADE."""
        self.all(f"DELETE FROM {table} WHERE id = ?", id_)  # noqa: S608  (as above)


def _as_dict(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
