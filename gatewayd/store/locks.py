"""Lock events with the lock's own time, to be compared with the lock's log, and the keys in its slots.

What an event means is left to locks/.
"""

from functools import partial
from typing import Final

from gatewayd.model.change import Change
from gatewayd.model.event import LockEvent, LockNotification, LockSource
from gatewayd.model.ids import Uuid
from gatewayd.model.lock import KeyState, LockKey
from gatewayd.model.outbox_items import OutboxItem
from gatewayd.store.database import Database, Transaction, from_ms, to_ms
from gatewayd.store.mirror import Mirror

_MAX_EVENTS: Final = 1_000
"""Events kept of each lock; more than any lock's own log holds."""

_PRUNED_EVERY: Final = 500  # events
_PRUNE: Final = (
    "DELETE FROM lock_event WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
    "(PARTITION BY uuid ORDER BY id DESC) AS place FROM lock_event) WHERE place > ?)"
)


class LockStore:
    """Events and keys, each on disk when the call that writes it returns."""

    def __init__(self, database: Database, mirror: Mirror) -> None:
        self._database = database
        self._mirror = mirror
        self._keys: dict[tuple[Uuid, int], LockKey] = {}
        self._next_event = 1

    async def load(self) -> None:
        """Read the keys, and delete the events that are older than any lock's log."""
        rows = await self._database.read(
            lambda raw: raw.execute("SELECT uuid, slot, key_type, name, state, member_id FROM lock_key").fetchall()
        )
        for uuid, slot, key_type, name, state, member_id in rows:
            self._keys[uuid, slot] = LockKey(uuid, slot, key_type, name, _key_state(state), member_id)
        (last,) = await self._database.read(lambda raw: raw.execute("SELECT max(id) FROM lock_event").fetchone())
        self._next_event = (last or 0) + 1
        self._database.defer(_PRUNE, _MAX_EVENTS)

    async def add_event(self, notification: LockNotification, changes: tuple[Change, ...], *items: OutboxItem) -> None:
        """Write in one transaction: `changes` of the lock's record, `items`, and an event that has the lock's own time.

        Raises UnknownDeviceError, and StoreError where it cannot be written.
        """
        transaction = Transaction()
        self._mirror.stage_changes(transaction, notification.uuid, changes, *items)
        if isinstance(notification, LockEvent) and notification.lock_time is not None:
            self._stage_event(transaction, notification)
        await self._database.commit(transaction)

    async def stamped_events(self, uuid: Uuid) -> tuple[LockEvent, ...]:
        """The latest events of a lock that carry its own time, oldest first."""
        rows = await self._database.read(
            lambda raw: raw.execute(
                "SELECT source, code, user, at, lock_time FROM lock_event WHERE uuid = ? ORDER BY id DESC LIMIT ?",
                (uuid, _MAX_EVENTS),
            ).fetchall()
        )
        return tuple(
            LockEvent(uuid, _source(source), code, user, from_ms(at), lock_time)
            for source, code, user, at, lock_time in reversed(rows)
        )

    def keys_of(self, uuid: Uuid) -> tuple[LockKey, ...]:
        """A lock's keys, in the order of their slots."""
        return tuple(sorted((key for key in self._keys.values() if key.uuid == uuid), key=lambda key: key.slot))

    async def put_key(self, key: LockKey) -> None:
        """Write a key, new or changed. Raises StoreError, and then it is as it was."""
        transaction = Transaction()
        transaction.add(
            "INSERT OR REPLACE INTO lock_key VALUES (?, ?, ?, ?, ?, ?)",
            *(key.uuid, key.slot, key.key_type, key.name, key.state, key.member_id),
        )
        transaction.on_commit.append(partial(self._keys.__setitem__, (key.uuid, key.slot), key))
        await self._database.commit(transaction)

    async def drop_key(self, uuid: Uuid, slot: int) -> None:
        """Delete a key. Raises StoreError, and then it is as it was."""
        transaction = Transaction()
        transaction.add("DELETE FROM lock_key WHERE uuid = ? AND slot = ?", uuid, slot)
        transaction.on_commit.append(partial(self._keys.pop, (uuid, slot), None))
        await self._database.commit(transaction)

    def _stage_event(self, transaction: Transaction, event: LockEvent) -> None:
        transaction.add(
            "INSERT INTO lock_event (id, uuid, lock_time, source, code, user, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(self._next_event, event.uuid, event.lock_time, event.source, event.code, event.user, to_ms(event.at)),
        )
        if self._next_event % _PRUNED_EVERY == 0:
            self._database.defer(_PRUNE, _MAX_EVENTS)
        self._next_event += 1


def _key_state(text: str) -> KeyState:
    """The state of a stored key; SET for one that another version of gatewayd knows: its slot is not free."""
    try:
        return KeyState(text)
    except ValueError:
        return KeyState.SET


def _source(number: int) -> LockSource:
    """The source of a stored event; UNKNOWN for one that another version of gatewayd knows."""
    try:
        return LockSource(number)
    except ValueError:
        return LockSource.UNKNOWN
