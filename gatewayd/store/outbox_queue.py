"""One lane of the outbox in memory: which rows may go, in which order. Pure: time comes in, nothing is awaited."""

import heapq
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import chain, islice, takewhile
from typing import Final

from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem

_MESSAGES_TOGETHER: Final = 25
"""Messages of one device that may be on their way at once: a burst of openings is one call, with room for others."""


class RowState(Enum):
    """Where a row is on its way."""

    WRITING = auto()  # not on disk yet
    WAITING = auto()
    IN_FLIGHT = auto()


@dataclass(slots=True, eq=False)
class QueuedRow:
    """A row of the outbox. `due` is None while its body is on disk alone; `not_before` is in the loop's seconds."""

    id: int
    kind: str
    uuid: Uuid
    created_at: datetime
    due: OutboxItem | None
    state: RowState
    attempts: int = 0
    recovered: bool = False
    not_before: float = 0.0


def _id(entry: QueuedRow) -> int:
    return entry.id


class OutboxQueue:
    """The rows of a lane, a queue for each device in the order of their ids.

    With `heads_only` a device has one row on its way at a time, or messages that follow one another; without, all that
    wait before its first obstacle. A record that is put off is none: what comes after it (an alarm) does not wait for
    a copy to be brought up to date.
    """

    def __init__(self, *, heads_only: bool) -> None:
        self._heads_only = heads_only
        self._entries: dict[int, QueuedRow] = {}
        self._queues: dict[Uuid, list[QueuedRow]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[QueuedRow]:
        return iter(tuple(self._entries.values()))

    def get(self, id_: int) -> QueuedRow | None:
        """The row of that id, if it is here."""
        return self._entries.get(id_)

    def add(self, entry: QueuedRow) -> None:
        """Put `entry` in its device's queue, where its id says."""
        self._entries[entry.id] = entry
        insort(self._queues.setdefault(entry.uuid, []), entry, key=_id)

    def remove(self, entry: QueuedRow) -> None:
        """Take `entry` out."""
        del self._entries[entry.id]
        queue = self._queues[entry.uuid]
        queue.remove(entry)
        if not queue:
            del self._queues[entry.uuid]

    def ready(self, now: float, limit: int) -> list[QueuedRow]:
        """The rows that may go now, at most `limit`, in the order of their ids."""
        runs = [self._run(queue, now) for queue in self._queues.values()]
        return list(islice(heapq.merge(*runs, key=_id), limit))

    def next_retry(self, now: float) -> float | None:
        """When the next device that is put off may go again (the loop's seconds); None if none is."""
        held = chain.from_iterable(_held_back(queue, now) for queue in self._queues.values())
        return min((entry.not_before for entry in held), default=None)

    def coalescing(self, uuid: Uuid) -> QueuedRow | None:
        """The "record" row of `uuid` that a new one would only repeat: not on its way, and no removal after it."""
        for entry in reversed(self._queues.get(uuid, ())):
            if entry.kind == "removal":
                return None
            if entry.kind == "record" and entry.state is not RowState.IN_FLIGHT:
                return entry
        return None

    def repetition_of(self, entry: QueuedRow) -> QueuedRow | None:
        """The later "record" row on disk that only repeats `entry`: no removal is between them."""
        queue = self._queues[entry.uuid]
        for later in queue[queue.index(entry) + 1 :]:
            if later.kind == "removal":
                return None
            if later.kind == "record" and later.state is RowState.WAITING:
                return later
        return None

    def _run(self, queue: list[QueuedRow], now: float) -> list[QueuedRow]:
        """What may go of one device's queue: from its head to the first row that is away, put off or not on disk."""
        awaited = (entry for entry in queue if not _may_be_passed(entry, now))
        free = takewhile(lambda entry: entry.state is RowState.WAITING and entry.not_before <= now, awaited)
        if not self._heads_only:
            return list(free)
        head = next(free, None)
        if head is None or head.kind != "message":
            return [] if head is None else [head]
        following = takewhile(lambda entry: entry.kind == "message", free)
        return [head, *islice(following, _MESSAGES_TOGETHER - 1)]


def _may_be_passed(entry: QueuedRow, now: float) -> bool:
    return entry.kind == "record" and entry.state is RowState.WAITING and entry.not_before > now


def _held_back(queue: list[QueuedRow], now: float) -> Iterator[QueuedRow]:
    """The rows of a device that are put off and hold it back, or are passed meanwhile."""
    for entry in queue:
        if entry.not_before > now:
            yield entry
        if not _may_be_passed(entry, now):
            return
