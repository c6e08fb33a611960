"""The command journal: each request by (user, sn) before the radio is touched, and its final answer after.

It makes "never twice" (§4) true across restarts. When a request is too old to be carried out is decided in commands/.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem, OutboxItem
from gatewayd.model.request import Request
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Transaction, from_ms, to_ms
from gatewayd.store.outbox import Outbox

_MAX_AGE: Final = timedelta(days=7)
_MAX_ROWS: Final = 10_000
_MIN_ROWS: Final = 1_000  # kept whatever their age: before its clock is set a board lives in 1970
_PRUNED_AT_ONCE: Final = 500  # rows above _MAX_ROWS before they are pruned, so that pruning is rare


class Begun(Enum):
    """What `begin` found, where there is no answer yet."""

    NEW = auto()  # it is in the journal now, on disk: carry it out
    RUNNING = auto()  # it is being carried out already: send nothing


@dataclass(frozen=True, slots=True)
class Repeated:
    """`begin` found a request that was carried out before; this was its final answer."""

    answer: AnswerItem


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request that was begun and has no final answer."""

    user: str
    sn: str
    category: Category
    uuid: Uuid
    exectype: ExecType
    begun_at: datetime


class _JournalState(Enum):
    BEGINNING = auto()
    RUNNING = auto()
    FINISHING = auto()
    FINISHED = auto()


@dataclass(slots=True)
class _JournalEntry:
    id: int
    state: _JournalState


_Key = tuple[str, str]


class CommandJournal:
    """Requests by (user, sn). `reason_to_refuse` returns why no command may begin (a full disk), or None."""

    def __init__(
        self,
        database: Database,
        codec: Codec,
        outbox: Outbox,
        now: Callable[[], datetime],
        reason_to_refuse: Callable[[], str | None],
    ) -> None:
        self._database = database
        self._codec = codec
        self._outbox = outbox
        self._now = now
        self._reason_to_refuse = reason_to_refuse
        self._entries: dict[_Key, _JournalEntry] = {}
        self._next_id = 1

    async def load(self) -> None:
        """Read the journal, and delete the finished requests that are too old."""
        rows = await self._database.read(
            lambda raw: raw.execute(
                "SELECT id, user, sn, begun_at, answer IS NOT NULL FROM journal ORDER BY id"
            ).fetchall()
        )
        oldest = to_ms(self._now() - _MAX_AGE)
        keep_from = rows[-_MIN_ROWS][0] if len(rows) >= _MIN_ROWS else 0
        for id_, user, sn, begun_at, answered in rows:
            self._next_id = id_ + 1
            if answered and begun_at < oldest and id_ < keep_from:
                self._database.defer("DELETE FROM journal WHERE id = ?", id_)
            else:
                self._entries[user, sn] = _JournalEntry(
                    id_, _JournalState.FINISHED if answered else _JournalState.RUNNING
                )

    async def begin(self, request: Request) -> Begun | Repeated:
        """Enter `request` unless it is in the journal already. NEW: it is on disk when this returns.

        Raises StoreError where it cannot be entered; it must not be carried out then.
        """
        key = (request.user, request.sn)
        entry = self._entries.get(key)
        if entry is None:
            await self._enter(key, request)
            return Begun.NEW
        if entry.state is not _JournalState.FINISHED:
            return Begun.RUNNING
        return Repeated(await self._answer(entry.id))

    async def finish(self, answer: AnswerItem, *items: OutboxItem, through_outbox: bool = True) -> None:
        """Enter the final answer, and add it and `items` to the outbox, in one transaction, durably.

        The answer itself is not added where it does not go `through_outbox`.

        Raises StoreError where it cannot be written, and where the request is not running: it has one final answer.
        """
        entry = self._entries.get((answer.user, answer.sn))
        if entry is None or entry.state is not _JournalState.RUNNING:
            raise StoreError(f"The request {answer.sn!r} of {answer.user!r} is not running and cannot be finished.")
        entry.state = _JournalState.FINISHING
        transaction = Transaction()
        transaction.add("UPDATE journal SET answer = ? WHERE id = ?", self._codec.encode_item(answer), entry.id)
        self._outbox.stage(transaction, *((answer,) if through_outbox else ()), *items)
        transaction.on_commit.append(partial(setattr, entry, "state", _JournalState.FINISHED))
        transaction.on_failure.append(partial(setattr, entry, "state", _JournalState.RUNNING))
        await self._database.commit(transaction)

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """Every request without a final answer, oldest first. At start-up: those that a crash interrupted."""
        rows = await self._database.read(
            lambda raw: raw.execute(
                "SELECT user, sn, category, uuid, exectype, begun_at FROM journal WHERE answer IS NULL ORDER BY id"
            ).fetchall()
        )
        return tuple(
            Unfinished(user, sn, Category(category), uuid, ExecType(exectype), from_ms(begun_at))
            for user, sn, category, uuid, exectype, begun_at in rows
        )

    async def _enter(self, key: _Key, request: Request) -> None:
        if reason := self._reason_to_refuse():
            raise StoreError(f"No command is begun: {reason}.")
        self._prune()
        entry = _JournalEntry(self._next_id, _JournalState.BEGINNING)
        self._next_id += 1
        self._entries[key] = entry
        transaction = Transaction()
        transaction.add(
            "INSERT INTO journal (id, user, sn, category, uuid, exectype, begun_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(entry.id, *key, request.category, request.uuid, request.exectype, to_ms(self._now())),
        )
        transaction.on_commit.append(partial(setattr, entry, "state", _JournalState.RUNNING))
        transaction.on_failure.append(partial(self._entries.pop, key))
        await self._database.commit(transaction)

    def _prune(self) -> None:
        """Delete the oldest finished requests once there are too many."""
        excess = len(self._entries) - _MAX_ROWS
        if excess < _PRUNED_AT_ONCE:
            return
        finished = [key for key, entry in self._entries.items() if entry.state is _JournalState.FINISHED]
        for key in finished[:excess]:
            self._database.defer("DELETE FROM journal WHERE id = ?", self._entries.pop(key).id)

    async def _answer(self, id_: int) -> AnswerItem:
        (body,) = await self._database.read(
            lambda raw: raw.execute("SELECT answer FROM journal WHERE id = ?", (id_,)).fetchone()
        )
        answer = self._codec.decode_item(body)
        if not isinstance(answer, AnswerItem):
            raise StoreError(f"Row {id_} of the journal holds no answer.")
        return answer
