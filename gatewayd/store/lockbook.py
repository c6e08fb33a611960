"""What is kept of locks: events with the lock's own stamp, to be held against its log, and the keys in its slots."""

import sqlite3
from datetime import UTC, datetime
from typing import Final

from gatewayd.model.change import Change
from gatewayd.model.event import LockEvent, LockSource, LockWord
from gatewayd.model.lock import Key, KeyState
from gatewayd.model.outgoing import Due
from gatewayd.model.words import Uuid
from gatewayd.store.database import Database
from gatewayd.store.mirror import Mirror

KEPT_EVENTS: Final = 1_000
"""Stamped events a lock; more than any lock's own log holds."""


class LockBook:
    """Events and keys, each on disk when the call returns."""

    def __init__(self, database: Database, mirror: Mirror, keys: dict[tuple[Uuid, int], Key]) -> None:
        self._database = database
        self._mirror = mirror
        self._keys = keys

    @staticmethod
    def load(connection: sqlite3.Connection) -> dict[tuple[Uuid, int], Key]:
        """Every key, by lock and slot."""
        found = connection.execute(
            "SELECT uuid, slot, key_type, name, state, member_id FROM lock_key ORDER BY uuid, slot"
        )
        return {
            (uuid, slot): Key(uuid, slot, key_type, name, KeyState(state), member_id)
            for uuid, slot, key_type, name, state, member_id in found
        }

    async def add_event(self, word: LockWord, changes: tuple[Change, ...], *due: Due) -> None:
        """One transaction: the event, what it changes, and what the cloud has to hear. Raises UnknownDeviceError."""
        self._mirror.take_changes(word.uuid, changes)

        def insert(connection: sqlite3.Connection) -> None:
            if not isinstance(word, LockEvent) or word.lock_time is None:
                return
            connection.execute(
                "INSERT INTO lock_event (uuid, lock_time, source, code, user, at) VALUES (?, ?, ?, ?, ?, ?)",
                (word.uuid, word.lock_time, word.source, word.code, word.user, word.at.timestamp()),
            )

        await self._mirror.write(insert, word.uuid, *due)

    async def stamped_events(self, uuid: Uuid) -> tuple[LockEvent, ...]:
        """The last events of a lock that carry its own stamp, oldest first."""

        def select(connection: sqlite3.Connection) -> tuple[LockEvent, ...]:
            found = connection.execute(
                "SELECT source, code, user, at, lock_time FROM lock_event WHERE uuid = ? ORDER BY id DESC LIMIT ?",
                (uuid, KEPT_EVENTS),
            ).fetchall()
            return tuple(
                LockEvent(uuid, LockSource(source), code, user, datetime.fromtimestamp(at, UTC), lock_time)
                for source, code, user, at, lock_time in reversed(found)
            )

        return await self._database.read(select)

    def keys_of(self, uuid: Uuid) -> tuple[Key, ...]:
        """A lock's keys, in the order of their slots."""
        return tuple(sorted((key for key in self._keys.values() if key.uuid == uuid), key=lambda key: key.slot))

    async def put_key(self, key: Key) -> None:
        """Keep a key, new or changed."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO lock_key VALUES (?, ?, ?, ?, ?, ?)",
                (key.uuid, key.slot, key.key_type, key.name, key.state, key.member_id),
            )

        await self._database.write(work)
        self._keys[key.uuid, key.slot] = key

    async def drop_key(self, uuid: Uuid, slot: int) -> None:
        """Forget a key."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM lock_key WHERE uuid = ? AND slot = ?", (uuid, slot))

        await self._database.write(work)
        self._keys.pop((uuid, slot), None)

    async def prune(self) -> None:
        """Forget events that are older than any lock's log."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM lock_event WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
                "(PARTITION BY uuid ORDER BY id DESC) AS place FROM lock_event) WHERE place > ?)",
                (KEPT_EVENTS,),
            )

        await self._database.write(work, durable=False)
