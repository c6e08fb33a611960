"""Small facts that must survive a restart: which coordinator this was, what was last synced."""

import sqlite3

from gatewayd.store.database import Database


class Facts:
    """Bytes by name; read from memory, written durably."""

    def __init__(self, database: Database, facts: dict[str, bytes]) -> None:
        self._database = database
        self._facts = facts

    @staticmethod
    def load(connection: sqlite3.Connection) -> dict[str, bytes]:
        """Every fact on disk."""
        return dict(connection.execute("SELECT name, value FROM fact").fetchall())

    def get(self, name: str) -> bytes | None:
        """The fact of that name, if there is one."""
        return self._facts.get(name)

    async def set(self, name: str, value: bytes) -> None:
        """Keep a fact; on disk when this returns. One that is already so costs no write."""
        if self._facts.get(name) == value:
            return

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

        await self._database.write(work)
        self._facts[name] = value
