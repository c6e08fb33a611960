"""Secrets, encrypted at rest: the cloud's token and whatever else nobody may read off a stolen flash."""

import os
import sqlite3

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatewayd.model.errors import StoreError
from gatewayd.store.database import Database

_NONCE = 12


class Vault:
    """Secrets by name: AES-256-GCM, bound to their name."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._cipher = AESGCM(key)

    async def put(self, name: str, secret: bytes) -> None:
        """Keep `secret`; on disk when this returns."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, secret, name.encode())

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO vault VALUES (?, ?)", (name, sealed))

        await self._database.write(work)

    async def get(self, name: str) -> bytes | None:
        """The secret of that name. Raises StoreError where it was sealed with another key, or damaged."""
        found = await self._database.read(
            lambda connection: connection.execute("SELECT sealed FROM vault WHERE name = ?", (name,)).fetchone()
        )
        if found is None:
            return None
        (sealed,) = found
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
        except InvalidTag as error:
            raise StoreError(f"the secret {name!r} does not open with this state key") from error

    async def delete(self, name: str) -> None:
        """Forget a secret."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM vault WHERE name = ?", (name,))

        await self._database.write(work)
