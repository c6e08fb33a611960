"""The command journal: a request is carried out once and has one final answer."""

import asyncio
from datetime import timedelta

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import Route
from gatewayd.store.command_journal import Begun, Repeated
from gatewayd.store.store import Store
from tests.common.store import LOCK, Clock, Opener, answer, request


async def test_request_is_new_once_then_running_then_repeated_with_its_answer(store: Store) -> None:
    assert await store.journal.begin(request("1")) is Begun.NEW
    assert await store.journal.begin(request("1")) is Begun.RUNNING
    await store.journal.finish(answer("1"))
    assert await store.journal.begin(request("1")) == Repeated(answer("1"))


async def test_same_sn_of_another_user_is_another_request(store: Store) -> None:
    await store.journal.begin(request("1", user="a"))
    assert await store.journal.begin(request("1", user="b")) is Begun.NEW


async def test_two_deliveries_at_once_are_one_request(store: Store) -> None:
    begun = await asyncio.gather(*(store.journal.begin(request("1")) for _ in range(5)))
    assert sorted(str(one) for one in begun) == ["Begun.NEW"] + ["Begun.RUNNING"] * 4


async def test_answer_is_repeated_after_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
        await store.journal.finish(answer("1"))
    async with reopen() as store:
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))
        assert await store.journal.unfinished() == ()


async def test_second_finish_is_refused(store: Store) -> None:
    await store.journal.begin(request("1"))
    await store.journal.finish(answer("1"))
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(answer("1"))
    assert (await store.outbox.depth())[Route.MQTT] == 1


async def test_finish_without_begin_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(answer("1"))


async def test_final_answer_is_in_the_outbox(store: Store) -> None:
    await store.journal.begin(request("1"))
    await store.journal.finish(answer("1"))
    assert [row.item for row in await store.outbox.take(Route.MQTT)] == [answer("1")]


async def test_request_interrupted_by_a_crash_is_found_and_can_be_finished(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
        await store.journal.begin(request("2"))
        await store.journal.finish(answer("2"))
    async with reopen() as store:
        (interrupted,) = await store.journal.unfinished()
        assert (interrupted.user, interrupted.sn, interrupted.uuid, interrupted.begun_at) == (
            "13800000000",
            "1",
            LOCK,
            clock.at,
        )
        assert await store.journal.begin(request("1")) is Begun.RUNNING
        await store.journal.finish(answer("1"))
        assert await store.journal.unfinished() == ()


async def test_old_requests_are_deleted_but_never_the_newest_thousand(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        for number in range(1002):
            await asyncio.gather(store.journal.begin(request(str(number))))
        await asyncio.gather(*(store.journal.finish(answer(str(number))) for number in range(1002)))
    clock.advance(timedelta(days=8))
    async with reopen() as store:
        assert await store.journal.begin(request("0")) is Begun.NEW
        assert await store.journal.begin(request("2")) == Repeated(answer("2"))


async def test_unfinished_request_is_never_too_old(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
    clock.advance(timedelta(days=400))
    async with reopen() as store:
        assert len(await store.journal.unfinished()) == 1
