"""Which rows can be sent as one batch (§2.5), and whether batches are sent at all for now. Pure: no I/O, no clock."""

from collections.abc import Sequence
from typing import Final

from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem
from gatewayd.store.outbox import OutboxRow

_MAX_LOST: Final = 6
_SUSPENDED_S: Final = 600.0


class BatchBreaker:
    """A circuit breaker for a cloud that fails at batches and at nothing else. Times are in the event loop's seconds.

    While it is open, for `_SUSPENDED_S`, calls are sent one by one.
    """

    def __init__(self) -> None:
        self._lost_in_a_row = 0
        self._open_until = 0.0

    def allows_batches(self, now: float) -> bool:
        """False while it is open."""
        return now >= self._open_until

    def note_answered(self) -> None:
        """A batch was answered."""
        self._lost_in_a_row = 0

    def note_lost(self) -> None:
        """A batch was sent and not answered."""
        self._lost_in_a_row += 1

    @property
    def has_lost_many(self) -> bool:
        """True after `_MAX_LOST` batches in a row without an answer: it opens if the cloud answers other calls."""
        return self._lost_in_a_row >= _MAX_LOST

    def open(self, now: float) -> None:
        """The cloud refuses batches, or loses them."""
        self._lost_in_a_row = 0
        self._open_until = now + _SUSPENDED_S


def first_of_each_device(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Those that can be sent side by side, which keeps no order."""
    found: dict[Uuid, OutboxRow] = {}
    for row in rows:
        found.setdefault(row.item.uuid, row)
    return list(found.values())


def batchable(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Those that can be sent in one batch: of each device, up to a message that the cloud cannot tell from another.

    Messages that look alike are counted to find out which of them the cloud has: they are sent one after the other.
    """
    found: list[OutboxRow] = []
    ended: set[Uuid] = set()
    looks_found: set[tuple[Uuid, str, str]] = set()
    for row in rows:
        item = row.item
        if item.uuid in ended:
            continue
        if isinstance(item, MessageItem):
            looks = (item.uuid, item.flag, item.occur_time)
            if looks in looks_found:
                ended.add(item.uuid)
                continue
            looks_found.add(looks)
        found.append(row)
    return found
