"""The command journal: a request is executed once and has one final answer."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import Route
from gatewayd.store.command_journal import MIN_REPEAT_WINDOW, Entered, Repeated, Running
from gatewayd.store.store import Store
from tests.common.store import LOCK, Clock, Opener, answer, enter, request


async def test_request_is_entered_once_then_running_then_repeated_with_its_answer(store: Store) -> None:
    row = await enter(store, "1")
    assert await store.journal.begin(request("1")) == Running()
    await store.journal.finish(row, answer("1"))
    assert await store.journal.begin(request("1")) == Repeated(answer("1"))


async def test_same_sn_with_another_identity_is_another_request(store: Store) -> None:
    await store.journal.begin(request("1", user="a"))
    assert isinstance(await store.journal.begin(request("1", user="b")), Entered)


async def test_two_deliveries_at_once_are_one_request(store: Store) -> None:
    begun = await asyncio.gather(*(store.journal.begin(request("1")) for _ in range(5)))
    assert [type(one) for one in begun].count(Entered) == 1
    assert begun.count(Running()) == 4


async def test_answer_is_repeated_after_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
    async with reopen() as store:
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))
        assert await store.journal.unfinished() == ()


@pytest.mark.parametrize("sn", ["1", 1, "甲"])
async def test_sn_of_an_unfinished_request_keeps_its_type(reopen: Opener, sn: str | int) -> None:
    async with reopen() as store:
        await enter(store, sn)
    async with reopen() as store:
        assert [one.sn for one in await store.journal.unfinished()] == [sn]


async def test_same_identity_after_the_window_is_a_new_request(reopen: Opener, clock: Clock) -> None:
    clock.advance(timedelta(days=300))  # a clock that is set
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
    clock.advance(MIN_REPEAT_WINDOW - timedelta(seconds=10))
    async with reopen() as store:
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))
    clock.advance(timedelta(seconds=20))
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))


@pytest.mark.parametrize("step", [timedelta(days=-3), timedelta(days=1)])
async def test_row_whose_age_the_clock_does_not_tell_counts_as_just_begun(
    reopen: Opener, clock: Clock, step: timedelta
) -> None:
    if step > timedelta():
        assert clock.at.year == 2026  # before the first release: not set
        assert clock.at.month < 11
    else:
        clock.advance(timedelta(days=300))
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
    clock.advance(step)
    async with reopen() as store:
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))


async def test_second_finish_is_refused(store: Store) -> None:
    row = await enter(store, "1")
    await store.journal.finish(row, answer("1"))
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(row, answer("1"))
    assert (await store.outbox.depth())[Route.MQTT] == 1


async def test_finish_without_begin_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(1, answer("1"))


async def test_final_answer_is_in_the_outbox(store: Store) -> None:
    await store.journal.finish(await enter(store, "1"), answer("1"))
    assert [row.item for row in await store.outbox.take(Route.MQTT)] == [answer("1")]


async def test_request_interrupted_by_a_crash_is_found_and_can_be_finished(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await enter(store, "1")
        await store.journal.finish(await enter(store, "2"), answer("2"))
    async with reopen() as store:
        (interrupted,) = await store.journal.unfinished()
        assert (interrupted.user, interrupted.sn, interrupted.uuid, interrupted.begun_at) == (
            "13800000000",
            "1",
            LOCK,
            clock.at,
        )
        assert await store.journal.begin(request("1")) == Running()
        await store.journal.finish(interrupted.id, answer("1"))
        assert await store.journal.unfinished() == ()


async def test_requests_of_before_the_identity_are_kept_and_repeated_by_none(reopen: Opener) -> None:
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
        await enter(store, "2")
    with closing(sqlite3.connect(reopen.path, isolation_level=None)) as raw:
        raw.execute("UPDATE journal SET identity = NULL")
    async with reopen() as store:
        (unfinished,) = await store.journal.unfinished()
        await store.journal.finish(unfinished.id, answer("2"))
        assert isinstance(await store.journal.begin(request("1")), Entered)


async def test_old_requests_are_deleted_but_never_the_newest_thousand(reopen: Opener, clock: Clock) -> None:
    clock.advance(timedelta(days=300))
    async with reopen() as store:
        rows = await asyncio.gather(*(enter(store, str(number)) for number in range(1002)))
        await asyncio.gather(*(store.journal.finish(row, answer(str(place))) for place, row in enumerate(rows)))
    clock.advance(timedelta(days=8))
    async with reopen() as store:
        await enter(store, "new")  # a deletion is written with the next write
        (kept,) = await store.database.read(lambda raw: raw.execute("SELECT count(*) FROM journal").fetchone())
        assert kept == 1000 + 1


async def test_unfinished_request_is_never_too_old(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await enter(store, "1")
    clock.advance(timedelta(days=400))
    async with reopen() as store:
        assert len(await store.journal.unfinished()) == 1
