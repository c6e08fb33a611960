"""Which items wait for the time, and that they leave with a right date, whenever they were written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.outbox_items import MessageItem, NoticeItem, Route
from gatewayd.store.database import Transaction
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock
from gatewayd.wiring import dating
from gatewayd.wiring.dating import Dating
from tests.common.store import Clock, Opener, answer, message, notice

TRUTH = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
AN_HOUR_EARLY = datetime(2026, 12, 24, 17, 0, tzinfo=UTC)


@dataclass
class Board:
    clock: BestClock
    store: Store
    dating: Dating

    def unsure(self) -> UnsureDate:
        found = self.clock.unsure()
        assert found is not None
        return found

    def tell_time(self) -> None:
        self.clock.set_cloud_time(int(TRUTH.timestamp()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(self.dating.run())
            try:
                yield
            finally:
                run.cancel()

    async def next_to_leave(self, route: Route) -> MessageItem | NoticeItem:
        """What a sender would send next."""
        async with asyncio.timeout(5):
            while True:
                for row in await self.store.outbox.take(route):
                    if self.dating.may_leave(row.item):
                        assert isinstance(row.item, MessageItem | NoticeItem)
                        return row.item
                    self.store.outbox.delay(row.id, 1.0)


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    """A board that is an hour early and does not know it."""
    clock = BestClock(lambda: 1000.0, lambda: AN_HOUR_EARLY, lambda: False, boot="this boot")
    async with Opener(tmp_path / "gatewayd.db", Clock())() as store:
        yield Board(clock, store, Dating(clock, store, UTC))


async def test_message_that_is_being_written_when_the_time_becomes_known_leaves_with_the_right_date(
    board: Board,
) -> None:
    transaction = Transaction()
    item = replace(
        message(
            "a",
        ),
        occur_time="2026-12-24 17:00:00",
        unsure=board.unsure(),
    )
    board.store.outbox.stage(transaction, item)
    async with board.running():
        board.tell_time()
        await asyncio.sleep(1)
        await board.store.database.commit(transaction)
        sent = await board.next_to_leave(Route.REST)
    assert isinstance(sent, MessageItem)
    assert (sent.occur_time, sent.unsure) == ("2026-12-24 18:00:00", None)


async def test_notice_waits_for_the_time_and_a_later_one_does_not_overtake_it(board: Board) -> None:
    first = notice("1")
    first = replace(first, record=replace(first.record, update_time="2026-12-24 17:00:00"), unsure=board.unsure())
    await board.store.outbox.add(first)
    async with board.running():
        await asyncio.sleep(1)
        assert not board.dating.may_leave(first)
        board.tell_time()
        assert not board.dating.may_leave(notice("2"))
        sent = await board.next_to_leave(Route.MQTT)
        assert isinstance(sent, NoticeItem)
        assert (sent.sn, sent.record.update_time, sent.unsure) == ("1", "2026-12-24 18:00:00", None)
        assert board.dating.may_leave(notice("2"))


async def test_notice_leaves_without_the_time_after_a_while_and_a_message_waits_on(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dating, "NOTICES_WAIT_S", 0.5)
    unsure_notice, unsure_message = (
        replace(notice("1"), unsure=board.unsure()),
        replace(message("a"), unsure=board.unsure()),
    )
    await board.store.outbox.add(unsure_notice, unsure_message)
    async with board.running():
        assert not board.dating.may_leave(unsure_notice)
        assert await board.next_to_leave(Route.MQTT) == unsure_notice
        assert board.dating.may_leave(notice("2"))
        assert not board.dating.may_leave(unsure_message)


async def test_what_no_clock_of_this_boot_dated_leaves_as_it_is(board: Board) -> None:
    of_another_boot = replace(message("a"), unsure=UnsureDate("another boot", 0))
    async with board.running():
        assert not board.dating.may_leave(of_another_boot)
        board.tell_time()
        await board.store.outbox.add(of_another_boot)
        assert await board.next_to_leave(Route.REST) == of_another_boot


async def test_answers_never_wait(board: Board) -> None:
    assert board.dating.may_leave(answer("1"))
