"""What the cloud has of the home besides records (spaces, members, authorizations …), as it last answered.

Objects are found by their kind and the cloud's id. On disk they are sealed, since passwords are among them. What they
mean is left to cloud/sync.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import Cipher
from gatewayd.store.database import Database, Transaction

log = structlog.get_logger(__name__)

CachedObject = Mapping[str, Any]
"""One of the cloud's rows as a JSON object."""


class CloudCache:
    """Objects by kind, then id. Only what changed is written."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._objects: dict[str, dict[int, CachedObject]] = {}

    async def load(self) -> None:
        """Read all objects. One that cannot be opened is dropped: the next sync reads it again."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT kind, id, sealed FROM copy").fetchall())
        dropped: dict[str, str] = {}
        for kind, id_, sealed in rows:
            try:
                content = msgspec.json.decode(self._cipher.open(_name(kind, id_), sealed), type=dict[str, Any])
            except (StoreError, ValueError, RecursionError) as error:
                dropped[_name(kind, id_)] = str(error)
                self._database.defer("DELETE FROM copy WHERE kind = ? AND id = ?", kind, id_)
            else:
                self._objects.setdefault(kind, {})[id_] = content
        if dropped:
            log.warning("cached_objects_dropped", count=len(dropped), reason=next(iter(dropped.values())))

    def of(self, kind: str) -> Mapping[int, CachedObject]:
        """All objects of a kind, by id."""
        return self._objects.get(kind, {})

    async def replace(self, kind: str, objects: Mapping[int, CachedObject]) -> int:
        """Make `objects` all there is of `kind`, on disk when it returns; how many were added, changed or dropped.

        Raises StoreError, and then everything is as it was.
        """
        before = self.of(kind)
        changed = {id_: content for id_, content in objects.items() if before.get(id_) != content}
        dropped = before.keys() - objects.keys()
        if not changed and not dropped:
            return 0
        transaction = Transaction()
        for id_, content in changed.items():
            sealed = self._cipher.seal(_name(kind, id_), msgspec.json.encode(content))
            transaction.add("INSERT OR REPLACE INTO copy VALUES (?, ?, ?)", kind, id_, sealed)
        for id_ in dropped:
            transaction.add("DELETE FROM copy WHERE kind = ? AND id = ?", kind, id_)
        transaction.on_commit.append(partial(self._objects.__setitem__, kind, dict(objects)))
        await self._database.commit(transaction)
        return len(changed) + len(dropped)


def _name(kind: str, id_: int) -> str:
    return f"copy/{kind}/{id_}"  # the name under which it was sealed, in databases that are in the field
