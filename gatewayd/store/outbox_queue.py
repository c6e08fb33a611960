"""The order of one route's items, in memory: which may be sent now, which wait. Pure: the time is a parameter.

Writing the items to disk, and waking the task that sends them, is left to `outbox`.
"""

import heapq
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import chain, islice, takewhile

from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import OutboxItem


class EntryState(Enum):
    """How far an entry has come."""

    WRITING = auto()  # not on disk yet
    WAITING = auto()
    IN_FLIGHT = auto()


@dataclass(slots=True, eq=False)
class QueueEntry:
    """A row of the outbox in memory. `item` is None while its body is on disk alone.

    `not_before` is in seconds of the event loop's clock.
    """

    id: int
    item_type: type[OutboxItem]
    uuid: Uuid
    created_at: datetime
    item: OutboxItem | None
    state: EntryState
    attempts: int = 0
    maybe_sent: bool = False
    not_before: float = 0.0


def _id(entry: QueueEntry) -> int:
    return entry.id


class OutboxQueue:
    """The entries of one route: a queue for each device, in the order of their ids.

    A device has one item in flight at a time, or several pipelined ones that follow one another, at most
    `max_per_device` of them. An item that is postponed holds back the device's later ones, unless it coalesces: an
    alarm does not wait until the cloud's copy of a record is up to date.

    With `keeps_order_itself` the route delivers in the order in which it takes items (as one MQTT connection does):
    then no item waits for an earlier one that is in flight or postponed.
    """

    def __init__(self, *, max_per_device: int | None = None, keeps_order_itself: bool = False) -> None:
        self._max_per_device = max_per_device
        self._keeps_order_itself = keeps_order_itself
        self._entries: dict[int, QueueEntry] = {}
        self._devices: dict[Uuid, list[QueueEntry]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[QueueEntry]:
        return iter(tuple(self._entries.values()))

    def get(self, id_: int) -> QueueEntry | None:
        """The entry of that id; None if it is not in this queue."""
        return self._entries.get(id_)

    def add(self, entry: QueueEntry) -> None:
        """Put `entry` in its device's queue, at the place of its id."""
        self._entries[entry.id] = entry
        insort(self._devices.setdefault(entry.uuid, []), entry, key=_id)

    def remove(self, entry: QueueEntry) -> None:
        """Take `entry` out. Raises KeyError if it is not in this queue."""
        del self._entries[entry.id]
        queue = self._devices[entry.uuid]
        queue.remove(entry)
        if not queue:
            del self._devices[entry.uuid]

    def ready(self, now: float, limit: int) -> list[QueueEntry]:
        """The entries that may be sent now, at most `limit`, in the order of their ids."""
        of_each_device = [self._ready_of_device(queue, now) for queue in self._devices.values()]
        return list(islice(heapq.merge(*of_each_device, key=_id), limit))

    def next_retry(self, now: float) -> float | None:
        """When the next postponed entry may be sent (the loop's clock); None if none is postponed."""
        postponed = chain.from_iterable(self._postponed(queue, now) for queue in self._devices.values())
        return min((entry.not_before for entry in postponed), default=None)

    def find_coalescing(self, uuid: Uuid, item_type: type[OutboxItem]) -> QueueEntry | None:
        """The entry that makes a new item of `item_type` needless: not in flight, and no barrier after it."""
        if not item_type.coalesces:
            return None
        newest_first = reversed(self._devices.get(uuid, ()))
        found = _until_barrier(newest_first, item_type)
        return next((entry for entry in found if entry.state is not EntryState.IN_FLIGHT), None)

    def find_repetition(self, entry: QueueEntry) -> QueueEntry | None:
        """The later entry, on disk, that `entry` makes needless: the same coalescing type, no barrier between them."""
        if not entry.item_type.coalesces:
            return None
        queue = self._devices[entry.uuid]
        found = _until_barrier(queue[queue.index(entry) + 1 :], entry.item_type)
        return next((later for later in found if later.state is EntryState.WAITING), None)

    def _ready_of_device(self, queue: list[QueueEntry], now: float) -> list[QueueEntry]:
        """Those of one device that may be sent: up to the first that is in flight, postponed or not on disk."""
        obstacles = (entry for entry in queue if not self._may_be_passed(entry, now))
        ready = takewhile(lambda entry: entry.state is EntryState.WAITING and entry.not_before <= now, obstacles)
        first = next(ready, None)
        if first is None or not first.item_type.is_pipelined:
            return [] if first is None else [first]
        pipelined = takewhile(lambda entry: entry.item_type.is_pipelined, ready)
        return list(islice(chain((first,), pipelined), self._max_per_device))

    def _may_be_passed(self, entry: QueueEntry, now: float) -> bool:
        is_postponed = entry.state is EntryState.WAITING and entry.not_before > now
        if self._keeps_order_itself:
            return is_postponed or entry.state is EntryState.IN_FLIGHT
        return is_postponed and entry.item_type.coalesces

    def _postponed(self, queue: list[QueueEntry], now: float) -> Iterator[QueueEntry]:
        """The entries of one device that are postponed, up to the first that may not be passed."""
        for entry in queue:
            if entry.not_before > now:
                yield entry
            if not self._may_be_passed(entry, now):
                return


def _until_barrier(entries: Iterable[QueueEntry], item_type: type[OutboxItem]) -> Iterator[QueueEntry]:
    """The entries of that type before the first barrier."""
    before = takewhile(lambda entry: not entry.item_type.is_barrier, entries)
    return (entry for entry in before if entry.item_type is item_type)
