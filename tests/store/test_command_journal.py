"""Never twice: what the journal answers to a request that it has seen."""

import asyncio
from datetime import timedelta

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import Route
from gatewayd.store.command_journal import Begun, Repeated
from gatewayd.store.store import Store
from tests.common.store import LOCK, Clock, Opener, answer, request


async def test_a_request_is_new_once_then_running_then_repeated_with_its_answer(store: Store) -> None:
    assert await store.journal.begin(request("1")) is Begun.NEW
    assert await store.journal.begin(request("1")) is Begun.RUNNING
    await store.journal.finish(answer("1"))
    assert await store.journal.begin(request("1")) == Repeated(answer("1"))


async def test_the_same_sn_of_another_user_is_another_request(store: Store) -> None:
    await store.journal.begin(request("1", user="a"))
    assert await store.journal.begin(request("1", user="b")) is Begun.NEW


async def test_two_deliveries_at_once_are_one_request(store: Store) -> None:
    begun = await asyncio.gather(*(store.journal.begin(request("1")) for _ in range(5)))
    assert sorted(str(one) for one in begun) == ["Begun.NEW"] + ["Begun.RUNNING"] * 4


async def test_the_answer_is_given_again_after_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
        await store.journal.finish(answer("1"))
    async with reopen() as store:
        assert await store.journal.begin(request("1")) == Repeated(answer("1"))
        assert await store.journal.unfinished() == ()


async def test_a_request_has_one_final_answer(store: Store) -> None:
    await store.journal.begin(request("1"))
    await store.journal.finish(answer("1"))
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(answer("1"))
    assert (await store.outbox.depth())[Route.MQTT] == 1


async def test_a_request_that_was_never_begun_cannot_be_finished(store: Store) -> None:
    with pytest.raises(StoreError, match="not running"):
        await store.journal.finish(answer("1"))


async def test_the_final_answer_is_in_the_outbox(store: Store) -> None:
    await store.journal.begin(request("1"))
    await store.journal.finish(answer("1"))
    assert [row.item for row in await store.outbox.take(Route.MQTT)] == [answer("1")]


async def test_what_a_crash_cut_off_is_found_and_can_be_answered(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
        await store.journal.begin(request("2"))
        await store.journal.finish(answer("2"))
    async with reopen() as store:
        (cut_off,) = await store.journal.unfinished()
        assert (cut_off.user, cut_off.sn, cut_off.uuid, cut_off.begun_at) == ("13800000000", "1", LOCK, clock.at)
        assert await store.journal.begin(request("1")) is Begun.RUNNING
        await store.journal.finish(answer("1"))
        assert await store.journal.unfinished() == ()


async def test_old_requests_are_forgotten_but_never_the_newest_thousand(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        for number in range(1002):
            await asyncio.gather(store.journal.begin(request(str(number))))
        await asyncio.gather(*(store.journal.finish(answer(str(number))) for number in range(1002)))
    clock.advance(timedelta(days=8))
    async with reopen() as store:
        assert await store.journal.begin(request("0")) is Begun.NEW
        assert await store.journal.begin(request("2")) == Repeated(answer("2"))


async def test_an_unfinished_request_is_kept_whatever_its_age(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.journal.begin(request("1"))
    clock.advance(timedelta(days=400))
    async with reopen() as store:
        assert len(await store.journal.unfinished()) == 1
