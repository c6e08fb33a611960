"""Copies of what else the cloud keeps of the home (spaces, members, authorizations …), by kind and the cloud's id.

Kept sealed, since passwords are among them; in memory they are as the cloud said them.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.store.cipher import Cipher
from gatewayd.store.database import Database, Write

log = structlog.get_logger(__name__)

Copy = Mapping[str, Any]
"""One thing as a JSON object."""


class CloudCache:
    """Copies by kind, then id. Only what changed is written."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._copies: dict[str, dict[int, Copy]] = {}

    async def load(self) -> None:
        """Read them. One that does not open is dropped: the cloud says it again."""
        rows = await self._database.read(lambda raw: raw.execute("SELECT kind, id, sealed FROM copy").fetchall())
        for kind, id_, sealed in rows:
            try:
                content = msgspec.json.decode(self._cipher.open(_name(kind, id_), sealed), type=dict[str, Any])
            except (StoreError, msgspec.DecodeError) as error:
                log.warning("copy_dropped", kind=kind, id=id_, reason=str(error))
                self._database.write_later("DELETE FROM copy WHERE kind = ? AND id = ?", kind, id_)
            else:
                self._copies.setdefault(kind, {})[id_] = content

    def of(self, kind: str) -> Mapping[int, Copy]:
        """All of a kind."""
        return self._copies.get(kind, {})

    async def replace(self, kind: str, copies: Mapping[int, Copy]) -> int:
        """From now on `copies` are all of `kind`, durably; how many were added, changed or dropped.

        Raises StoreError, and then everything is as it was.
        """
        before = self.of(kind)
        new = {id_: copy for id_, copy in copies.items() if before.get(id_) != copy}
        gone = before.keys() - copies.keys()
        if not new and not gone:
            return 0
        write = Write()
        for id_, copy in new.items():
            sealed = self._cipher.seal(_name(kind, id_), msgspec.json.encode(copy))
            write.add("INSERT OR REPLACE INTO copy VALUES (?, ?, ?)", kind, id_, sealed)
        for id_ in gone:
            write.add("DELETE FROM copy WHERE kind = ? AND id = ?", kind, id_)
        write.on_commit.append(partial(self._copies.__setitem__, kind, dict(copies)))
        await self._database.commit(write)
        return len(new) + len(gone)


def _name(kind: str, id_: int) -> str:
    return f"copy/{kind}/{id_}"
