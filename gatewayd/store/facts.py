"""Two small key-value tables: durable values of any package (`Facts`), and secrets (`Vault`)."""

from functools import partial

from gatewayd.store.cipher import Cipher
from gatewayd.store.database import Database, Transaction


class Facts:
    """Small durable values that have no table of their own (a backup, a counter), as bytes by name.

    All of them are in memory, so that reading is free.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read all values."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT name, value FROM fact").fetchall())
        self._values.update(rows)

    def get(self, name: str) -> bytes | None:
        """The value of `name`; None if there is none."""
        return self._values.get(name)

    async def set(self, name: str, value: bytes) -> None:
        """Write `value` under `name`, durably. Raises StoreError, and then the former value stands."""
        if self._values.get(name) == value:
            return
        transaction = Transaction()
        transaction.add("INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value)
        transaction.on_commit.append(partial(self._values.__setitem__, name, value))
        await self._database.commit(transaction)

    async def delete(self, name: str) -> None:
        """Delete `name`, durably. Raises StoreError, and then its value stands."""
        transaction = Transaction()
        transaction.add("DELETE FROM fact WHERE name = ?", name)
        transaction.on_commit.append(partial(self._values.pop, name, None))
        await self._database.commit(transaction)


class Vault:
    """Secrets by name, sealed in memory as on disk. Its repr shows none of them."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._sealed: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read all secrets, sealed."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT name, sealed FROM vault").fetchall())
        self._sealed.update(rows)

    async def put(self, name: str, secret: bytes) -> None:
        """Write `secret` under `name`, durably. Raises StoreError, and then the former secret stands."""
        sealed = self._cipher.seal(name, secret)
        transaction = Transaction()
        transaction.add(
            "INSERT INTO vault VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed", name, sealed
        )
        transaction.on_commit.append(partial(self._sealed.__setitem__, name, sealed))
        await self._database.commit(transaction)

    async def get(self, name: str) -> bytes | None:
        """The secret of `name`; None if there is none. Raises StoreError where it cannot be opened."""
        sealed = self._sealed.get(name)
        return None if sealed is None else self._cipher.open(name, sealed)

    async def delete(self, name: str) -> None:
        """Delete `name`, durably. Raises StoreError, and then its secret stands."""
        transaction = Transaction()
        transaction.add("DELETE FROM vault WHERE name = ?", name)
        transaction.on_commit.append(partial(self._sealed.pop, name, None))
        await self._database.commit(transaction)
