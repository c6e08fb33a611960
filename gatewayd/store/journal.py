"""The command journal: (user, sn) stands here, on disk, before the radio is touched; so nothing runs twice.

A request that is begun and not finished when the daemon starts was cut off by a crash: it is answered, not repeated.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

import msgspec

from gatewayd.model.errors import StoreError
from gatewayd.model.outgoing import AnswerDue
from gatewayd.model.request import Request
from gatewayd.model.words import Category, ExecType, Uuid
from gatewayd.store.database import Database
from gatewayd.store.outbox import Outbox

KEPT_FOR: Final = timedelta(days=7)
KEPT_ROWS: Final = 10_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnswerDue).decode


class Begun(Enum):
    """What a request that arrives is: new, and to be carried out, or one that is being carried out."""

    NEW = "new"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same request was carried out before; this was its answer."""

    answer: AnswerDue


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request that was begun before the daemon died, and never answered."""

    user: str
    sn: str
    category: Category
    uuid: Uuid
    exectype: ExecType
    begun_at: datetime


class Journal:
    """Requests by (user, sn)."""

    def __init__(self, database: Database, outbox: Outbox, now: Callable[[], datetime]) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def begin(self, request: Request) -> Begun | Repeated:
        """Begin `request`: on disk when NEW is returned. Raises StoreError; then it must not be carried out."""
        row = (
            request.user,
            request.sn,
            request.category,
            request.uuid,
            request.exectype,
            self._now().timestamp(),
        )

        def work(connection: sqlite3.Connection) -> Begun | Repeated:
            inserted = connection.execute(
                "INSERT OR IGNORE INTO journal (user, sn, category, uuid, exectype, begun_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            if inserted.rowcount:
                return Begun.NEW
            (answer,) = connection.execute("SELECT answer FROM journal WHERE user = ? AND sn = ?", row[:2]).fetchone()
            return Begun.RUNNING if answer is None else Repeated(_decode(answer))

        return await self._database.write(work)

    async def finish(self, answer: AnswerDue) -> None:
        """Keep the final answer, and in the same transaction put it into the outbox.

        Raises StoreError where the request has its answer already, or was never begun.
        """
        rows = self._outbox.prepare((answer,))

        def work(connection: sqlite3.Connection) -> None:
            updated = connection.execute(
                "UPDATE journal SET answer = ? WHERE user = ? AND sn = ? AND answer IS NULL",
                (_encode(answer), answer.user, answer.sn),
            )
            if not updated.rowcount:
                raise StoreError(f"request {answer.sn!r} of {answer.user!r} is not waiting for an answer")
            self._outbox.insert(connection, rows)

        await self._database.write(work, then=lambda: self._outbox.inserted(rows))

    async def unfinished(self) -> tuple[Unfinished, ...]:
        """What the last run left unanswered, oldest first."""

        def select(connection: sqlite3.Connection) -> tuple[Unfinished, ...]:
            found = connection.execute(
                "SELECT user, sn, category, uuid, exectype, begun_at FROM journal WHERE answer IS NULL ORDER BY rowid"
            )
            return tuple(
                Unfinished(
                    user, sn, Category(category), uuid, ExecType(exectype), datetime.fromtimestamp(begun_at, UTC)
                )
                for user, sn, category, uuid, exectype, begun_at in found
            )

        return await self._database.read(select)

    async def prune(self) -> int:
        """Forget answered requests that are too old, or too many, to come again. Returns how many."""
        before = (self._now() - KEPT_FOR).timestamp()

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM journal WHERE answer IS NOT NULL AND (begun_at < ? OR rowid <= "
                "(SELECT max(rowid) FROM journal) - ?)",
                (before, KEPT_ROWS),
            ).rowcount

        return await self._database.write(work, durable=False)
