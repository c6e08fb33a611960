"""Secrets at rest: PINs, Wi-Fi keys, tokens. Only their sealed form is kept, in memory as on disk."""

from functools import partial

from gatewayd.store.cipher import Cipher
from gatewayd.store.database import Database, Write


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
        write.kept.append(partial(self._sealed.__setitem__, name, sealed))
        await self._database.commit(write)

    async def get(self, name: str) -> bytes | None:
        """The secret under `name`; None if there is none. Raises StoreError where it does not open."""
        sealed = self._sealed.get(name)
        return None if sealed is None else self._cipher.open(name, sealed)

    async def delete(self, name: str) -> None:
        """Forget what is under `name`, durably. Raises StoreError."""
        write = Write()
        write.add("DELETE FROM vault WHERE name = ?", name)
        write.kept.append(partial(self._sealed.pop, name, None))
        await self._database.commit(write)
