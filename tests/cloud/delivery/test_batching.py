"""Which items are sent together, and when batches are no longer sent."""

from datetime import UTC, datetime

import pytest

from gatewayd.cloud.delivery.batching import BatchBreaker, batchable, first_of_each_device
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import MessageItem, OutboxItem, RecordItem
from gatewayd.store.outbox import OutboxRow
from tests.common.store import LOCK, SENSOR

NOON, LATER = "2026-05-01 12:00:00", "2026-05-01 12:00:01"


def message(uuid: Uuid, flag: str, occur_time: str = NOON) -> MessageItem:
    return MessageItem(uuid=uuid, message_type="t", flag=flag, level=1, occur_time=occur_time)


def rows(*items: OutboxItem) -> list[OutboxRow]:
    return [OutboxRow(id_, item, datetime.now(UTC), 0) for id_, item in enumerate(items, 1)]


@pytest.mark.parametrize(
    ("items", "together", "side_by_side"),
    [
        ([], [], []),
        ([message(LOCK, "a"), message(LOCK, "b")], [1, 2], [1]),
        ([message(LOCK, "a"), message(LOCK, "a", LATER)], [1, 2], [1]),
        ([message(LOCK, "a"), message(LOCK, "a"), message(LOCK, "b")], [1], [1]),
        ([message(LOCK, "a"), message(SENSOR, "a")], [1, 2], [1, 2]),
        ([message(LOCK, "a"), message(LOCK, "a"), message(SENSOR, "a")], [1, 3], [1, 3]),
        ([RecordItem(uuid=LOCK), RecordItem(uuid=SENSOR), message(LOCK, "a")], [1, 2, 3], [1, 2]),
    ],
)
def test_rows_that_may_be_sent_together(items: list[OutboxItem], together: list[int], side_by_side: list[int]) -> None:
    assert [row.id for row in batchable(rows(*items))] == together
    assert [row.id for row in first_of_each_device(rows(*items))] == side_by_side


def test_breaker_opens_for_a_while() -> None:
    breaker = BatchBreaker()
    assert breaker.allows_batches(100.0)
    breaker.open(100.0)
    assert not breaker.allows_batches(699.0)
    assert breaker.allows_batches(700.0)


def test_breaker_counts_lost_batches_in_a_row() -> None:
    breaker = BatchBreaker()
    assert lose(breaker, 5) == [False] * 5
    breaker.note_answered()
    assert lose(breaker, 7) == [False] * 5 + [True] * 2
    breaker.open(0.0)
    assert lose(breaker, 1) == [False]


def lose(breaker: BatchBreaker, batches: int) -> list[bool]:
    """`has_lost_many` after each of so many lost batches."""
    found = []
    for _ in range(batches):
        breaker.note_lost()
        found.append(breaker.has_lost_many)
    return found
