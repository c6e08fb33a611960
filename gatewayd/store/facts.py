"""Small durable facts that have no table of their own: a backup, a counter, a room's own state, as bytes."""

from functools import partial

from gatewayd.store.cipher import Cipher
from gatewayd.store.database import Database, Write


class Facts:
    """Values by name; all of them in memory, so that reading is free."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read them."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT name, value FROM fact").fetchall())
        self._values.update(rows)

    def get(self, name: str) -> bytes | None:
        """The value under `name`; None if there is none."""
        return self._values.get(name)

    async def set(self, name: str, value: bytes) -> None:
        """Keep `value` under `name`, durably. Raises StoreError, and then the former value stands."""
        if self._values.get(name) == value:
            return
        write = Write()
        write.add("INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value)
        write.on_commit.append(partial(self._values.__setitem__, name, value))
        await self._database.commit(write)

    async def delete(self, name: str) -> None:
        """Forget what is under `name`, durably. Raises StoreError."""
        write = Write()
        write.add("DELETE FROM fact WHERE name = ?", name)
        write.on_commit.append(partial(self._values.pop, name, None))
        await self._database.commit(write)


class Vault:
    """Secrets by name. Its repr shows nothing of them."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._sealed: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read the sealed forms."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT name, sealed FROM vault").fetchall())
        self._sealed.update(rows)

    async def put(self, name: str, secret: bytes) -> None:
        """Keep `secret` under `name`, durably. Raises StoreError."""
        sealed = self._cipher.seal(name, secret)
        write = Write()
        write.add("INSERT INTO vault VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed", name, sealed)
        write.on_commit.append(partial(self._sealed.__setitem__, name, sealed))
        await self._database.commit(write)

    async def get(self, name: str) -> bytes | None:
        """The secret under `name`; None if there is none. Raises StoreError where it does not open."""
        sealed = self._sealed.get(name)
        return None if sealed is None else self._cipher.open(name, sealed)

    async def delete(self, name: str) -> None:
        """Forget what is under `name`, durably. Raises StoreError."""
        write = Write()
        write.add("DELETE FROM vault WHERE name = ?", name)
        write.on_commit.append(partial(self._sealed.pop, name, None))
        await self._database.commit(write)
