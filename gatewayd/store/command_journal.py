"""The command journal: each request by its identity before the radio is touched, and its final answer after.

It makes "never twice" (§4) true across restarts. When a request is too old to be carried out is decided in commands/.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Final

import msgspec

from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, ExecType, Sn, Uuid
from gatewayd.model.outbox_items import AnswerItem, OutboxItem
from gatewayd.model.request import Request
from gatewayd.store.codec import Codec
from gatewayd.store.database import Database, Transaction, from_ms, to_ms
from gatewayd.store.outbox import Outbox

MIN_REPEAT_WINDOW: Final = timedelta(minutes=10)
_MAX_AGE: Final = timedelta(days=7)
_SET_ANSWER: Final = "UPDATE journal SET answer = ? WHERE id = ?"
_MAX_ROWS: Final = 10_000
_MIN_ROWS: Final = 1_000  # kept whatever their age: before its clock is set a board lives in 1970
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_CLOCK_SET_MS: Final = to_ms(datetime(2026, 11, 1, tzinfo=UTC))  # a board whose clock shows less has not set it
_PRUNED_AT_ONCE: Final = 500  # rows above _MAX_ROWS before they are pruned, so that pruning is rare


@dataclass(frozen=True, slots=True)
class Entered:
    """The request is new and on disk in row `id`: it is to be executed, and finished by that row."""

    id: int


@dataclass(frozen=True, slots=True)
class Running:
    """The request came before and is being executed: nothing is sent for this repetition."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """The request was executed before; this was its final answer."""

    answer: AnswerItem


Begun = Entered | Running | Repeated
"""What `begin` made of a request."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request that was begun and has no final answer; `id` is its row."""

    id: int
    user: str
    sn: Sn
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
    """A row; `begun_at` in loop time, `unwritten` an answer that the disk did not take."""

    id: int
    identity: bytes | None
    state: _JournalState
    begun_at: float
    unwritten: AnswerItem | None = None


class CommandJournal:
    """Requests by their identity. `reason_to_refuse` returns why no command may begin (a full disk), or None.

    A request repeats one of the same identity that began within `repeat_window`. Rows are kept longer, as a history.
    """

    def __init__(
        self,
        database: Database,
        codec: Codec,
        outbox: Outbox,
        now: Callable[[], datetime],
        reason_to_refuse: Callable[[], str | None],
        *,
        repeat_window: timedelta = MIN_REPEAT_WINDOW,
    ) -> None:
        self._database = database
        self._codec = codec
        self._outbox = outbox
        self._now = now
        self._reason_to_refuse = reason_to_refuse
        self._repeat_window_s = repeat_window.total_seconds()
        self._rows: dict[int, _JournalEntry] = {}
        self._entries: dict[bytes, _JournalEntry] = {}
        self._next_id = 1

    async def load(self) -> None:
        """Read the journal, and delete the finished requests that are too old."""
        rows = await self._database.read(
            lambda raw: raw.execute(
                "SELECT id, identity, begun_at, answer IS NOT NULL FROM journal ORDER BY id"
            ).fetchall()
        )
        now_ms, loop_now = to_ms(self._now()), asyncio.get_running_loop().time()
        oldest = now_ms - to_ms(_EPOCH + _MAX_AGE)
        keep_from = rows[-_MIN_ROWS][0] if len(rows) >= _MIN_ROWS else 0
        for id_, identity, begun_at, answered in rows:
            self._next_id = id_ + 1
            if answered and begun_at < oldest and id_ < keep_from:
                self._database.defer("DELETE FROM journal WHERE id = ?", id_)
                continue
            state = _JournalState.FINISHED if answered else _JournalState.RUNNING
            # A clock that was set back, or not yet set, says nothing of a row's age: it counts as just begun.
            age_s = (now_ms - begun_at) / 1000 if _CLOCK_SET_MS < begun_at <= now_ms else 0.0
            self._add(_JournalEntry(id_, identity, state, loop_now - age_s))

    async def begin(self, request: Request) -> Begun:
        """Enter `request` unless it is a repetition.

        Raises StoreError where it cannot be entered; it must not be executed then.
        """
        entry = self._entries.get(request.identity)
        if entry is None or self._is_another(entry):
            return Entered(await self._enter(request))
        if entry.state is not _JournalState.FINISHED:
            return Running()
        return Repeated(entry.unwritten or await self._answer(entry.id))

    async def finish(self, id_: int, answer: AnswerItem, *items: OutboxItem, through_outbox: bool = True) -> None:
        """Enter the final answer to the request of row `id_`, and add it and `items` to the outbox, in one durable
        transaction.

        The answer itself is not added where it does not go `through_outbox`.

        Raises StoreError where it cannot be written, and where the request is not running: it has one final answer.
        """
        entry = self._rows.get(id_)
        if entry is None or entry.state is not _JournalState.RUNNING:
            raise StoreError(f"The request {answer.sn!r} of {answer.user!r} is not running and cannot be finished.")
        entry.state = _JournalState.FINISHING
        transaction = Transaction()
        transaction.add(_SET_ANSWER, self._codec.encode_item(answer), entry.id)
        self._outbox.stage(transaction, *((answer,) if through_outbox else ()), *items)
        transaction.on_commit.append(partial(setattr, entry, "state", _JournalState.FINISHED))
        transaction.on_failure.append(partial(setattr, entry, "state", _JournalState.RUNNING))
        await self._database.commit(transaction)

    def finish_later(self, id_: int, answer: AnswerItem) -> None:
        """The disk did not take `answer`, which the requester gets all the same: it is kept, and written with what the
        disk takes next. A request whose answer a crash loses is found unfinished.
        """
        entry = self._rows[id_]
        entry.state, entry.unwritten = _JournalState.FINISHED, answer
        self._database.defer(_SET_ANSWER, self._codec.encode_item(answer), id_)

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """Every request without a final answer, oldest first. At start-up: those that a crash interrupted."""
        rows = await self._database.read(
            lambda raw: raw.execute(
                "SELECT id, user, sn, category, uuid, exectype, begun_at FROM journal WHERE answer IS NULL ORDER BY id"
            ).fetchall()
        )
        return tuple(
            Unfinished(id_, user, _decode_sn(sn), Category(category), uuid, ExecType(exectype), from_ms(begun_at))
            for id_, user, sn, category, uuid, exectype, begun_at in rows
        )

    def _is_another(self, entry: _JournalEntry) -> bool:
        """Whether the same identity again is a new request."""
        age_s = asyncio.get_running_loop().time() - entry.begun_at
        return entry.state is _JournalState.FINISHED and age_s > self._repeat_window_s

    async def _enter(self, request: Request) -> int:
        if reason := self._reason_to_refuse():
            raise StoreError(f"No command is begun: {reason}.")
        self._prune()
        loop_now = asyncio.get_running_loop().time()
        entry = _JournalEntry(self._next_id, request.identity, _JournalState.BEGINNING, loop_now)
        self._next_id += 1
        self._add(entry)
        transaction = Transaction()
        transaction.add(
            "INSERT INTO journal (id, user, sn, category, uuid, exectype, begun_at, identity)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(entry.id, request.user, msgspec.json.encode(request.sn).decode(), request.category, request.uuid),
            *(request.exectype, to_ms(self._now()), request.identity),
        )
        transaction.on_commit.append(partial(setattr, entry, "state", _JournalState.RUNNING))
        transaction.on_failure.append(partial(self._remove, entry))
        await self._database.commit(transaction)
        return entry.id

    def _add(self, entry: _JournalEntry) -> None:
        self._rows[entry.id] = entry
        if entry.identity is not None:
            self._entries[entry.identity] = entry

    def _remove(self, entry: _JournalEntry) -> None:
        self._rows.pop(entry.id, None)
        if entry.identity is not None and self._entries.get(entry.identity) is entry:
            del self._entries[entry.identity]

    def _prune(self) -> None:
        """Delete the oldest finished requests once there are too many."""
        excess = len(self._rows) - _MAX_ROWS
        if excess < _PRUNED_AT_ONCE:
            return
        finished = [entry for entry in self._rows.values() if entry.state is _JournalState.FINISHED]
        for entry in finished[:excess]:
            self._remove(entry)
            self._database.defer("DELETE FROM journal WHERE id = ?", entry.id)

    async def _answer(self, id_: int) -> AnswerItem:
        (body,) = await self._database.read(
            lambda raw: raw.execute("SELECT answer FROM journal WHERE id = ?", (id_,)).fetchone()
        )
        answer = self._codec.decode_item(body)
        if not isinstance(answer, AnswerItem):
            raise StoreError(f"Row {id_} of the journal holds no answer.")
        return answer


def _decode_sn(text: str) -> Sn:
    sn: Sn = msgspec.json.decode(text, type=Sn)
    return sn
