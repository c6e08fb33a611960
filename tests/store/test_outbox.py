"""The outbox: in order for each device, nothing lost, nothing doubled."""

import asyncio
from datetime import timedelta

import pytest

from gatewayd.model.outbox_items import RecordItem, RemovalItem
from gatewayd.store.outbox import DeadLetterNotFoundError, OutboxRow, Route
from gatewayd.store.store import Store
from tests.common.store import LOCK, SENSOR, Clock, Opener, answer, message, notice


def words(rows: tuple[OutboxRow, ...]) -> list[object]:
    return [row.due for row in rows]


async def nothing(store: Store, lane: str) -> bool:
    """True if no row of `lane` may go now."""
    waiting = asyncio.create_task(store.outbox.take(lane))
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.cancel()
    return not waiting.done()


async def test_the_lanes_do_not_wait_for_each_other(store: Store) -> None:
    await store.outbox.add(message("m"), notice("n"))
    assert words(await store.outbox.take("mqtt")) == [notice("n")]
    assert words(await store.outbox.take("rest")) == [message("m")]


async def test_rest_sends_one_row_a_device_and_the_next_when_that_is_done(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), message("1"), message("2", SENSOR))
    first, other = await store.outbox.take("rest")
    assert words((first, other)) == [RecordItem(uuid=LOCK), message("2", SENSOR)]
    assert await nothing(store, "rest")
    await store.outbox.done(first.id)
    assert words(await store.outbox.take("rest")) == [message("1")]


async def test_messages_of_a_device_that_follow_one_another_go_together_and_nothing_overtakes_them(
    store: Store,
) -> None:
    many = [message(str(number)) for number in range(30)]
    await store.outbox.add(*many, RemovalItem(uuid=LOCK, id=7), message("after"))
    together = await store.outbox.take("rest")
    assert words(together) == many[:25]
    assert await nothing(store, "rest")
    await store.outbox.done(*(row.id for row in together[:24]))
    assert await nothing(store, "rest")
    await store.outbox.done(together[24].id)
    rest = await store.outbox.take("rest")
    assert words(rest) == many[25:]
    await store.outbox.done(*(row.id for row in rest))
    assert words(await store.outbox.take("rest")) == [RemovalItem(uuid=LOCK, id=7)]


async def test_mqtt_takes_all_of_a_device_in_order(store: Store) -> None:
    await store.outbox.add(notice("1"), notice("2", SENSOR), notice("3"))
    assert words(await store.outbox.take("mqtt")) == [notice("1"), notice("2", SENSOR), notice("3")]


async def test_a_take_waits_until_there_is_something(store: Store) -> None:
    taking = asyncio.create_task(store.outbox.take("rest"))
    await asyncio.sleep(0)
    await store.outbox.add(message("1"))
    assert words(await taking) == [message("1")]


async def test_a_take_is_limited(store: Store) -> None:
    await store.outbox.add(*(notice(str(number)) for number in range(5)))
    assert words(await store.outbox.take("mqtt", limit=2)) == [notice("0"), notice("1")]


async def test_what_was_done_does_not_come_back_after_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("1"), notice("2"), RecordItem(uuid=LOCK))
        (one, _) = await store.outbox.take("mqtt")
        (record,) = await store.outbox.take("rest")
        await store.outbox.done(one.id, record.id)
    async with reopen() as store:
        (row,) = await store.outbox.take("mqtt")
        assert row.due == notice("2")
        assert row.recovered
        assert (await store.outbox.depth())[Route.REST] == 0


async def test_when_the_line_breaks_everything_waits_again_in_the_same_order(store: Store) -> None:
    await store.outbox.add(notice("1"), notice("2"))
    taken = await store.outbox.take("mqtt")
    await store.outbox.add(notice("3"))
    store.outbox.release(*(row.id for row in reversed(taken)))
    assert words(await store.outbox.take("mqtt")) == [notice("1"), notice("2"), notice("3")]
    store.outbox.release_all("mqtt")
    assert len(await store.outbox.take("mqtt")) == 3


async def test_a_late_word_about_a_row_that_is_not_in_flight_is_passed_over(store: Store) -> None:
    await store.outbox.add(notice("1"))
    (row,) = await store.outbox.take("mqtt")
    store.outbox.release(row.id)
    await store.outbox.done(row.id)
    await store.outbox.dead_letter(row.id, "late")
    assert words(await store.outbox.take("mqtt")) == [notice("1")]


async def test_a_device_has_one_waiting_record_however_often_it_changes(store: Store) -> None:
    await asyncio.gather(*(store.outbox.add(RecordItem(uuid=LOCK)) for _ in range(4)))
    assert (await store.outbox.depth())[Route.REST] == 1


async def test_a_record_that_changes_while_it_is_sent_is_sent_again(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK))
    (first,) = await store.outbox.take("rest")
    await store.outbox.add(RecordItem(uuid=LOCK))
    await store.outbox.done(first.id)
    (second,) = await store.outbox.take("rest")
    assert (second.due, second.id != first.id) == (RecordItem(uuid=LOCK), True)


async def test_a_record_that_failed_and_changed_meanwhile_is_sent_once(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(RecordItem(uuid=LOCK))
        (first,) = await store.outbox.take("rest")
        await store.outbox.add(RecordItem(uuid=LOCK))
        store.outbox.release(first.id)
        assert (await store.outbox.depth())[Route.REST] == 1
    async with reopen() as store:
        assert (await store.outbox.depth())[Route.REST] == 1


async def test_a_device_that_was_removed_and_joined_again_is_told_in_that_order(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), RemovalItem(uuid=LOCK, id=7), RecordItem(uuid=LOCK))
    heard = []
    for _ in range(3):
        (row,) = await store.outbox.take("rest")
        heard.append(row.due)
        await store.outbox.done(row.id)
    assert heard == [RecordItem(uuid=LOCK), RemovalItem(uuid=LOCK, id=7), RecordItem(uuid=LOCK)]


async def test_what_is_put_off_holds_back_its_device_alone(store: Store, clock: Clock) -> None:
    await store.outbox.add(message("1"), message("2"), message("3", SENSOR))
    first, second, _ = await store.outbox.take("rest")
    await store.outbox.postpone(first.id, "503", clock.at + timedelta(hours=1))
    store.outbox.release(second.id)
    await store.outbox.add(message("4", SENSOR))
    assert await nothing(store, "rest")


async def test_what_is_put_off_comes_again_by_itself_with_one_attempt_more(store: Store, clock: Clock) -> None:
    await store.outbox.add(message("1"))
    (row,) = await store.outbox.take("rest")
    await store.outbox.postpone(row.id, "503", clock.at + timedelta(milliseconds=20))
    (again,) = await store.outbox.take("rest")
    assert (again.due, again.attempts) == (message("1"), 1)


async def test_what_was_put_off_goes_at_once_when_it_is_hastened(store: Store, clock: Clock) -> None:
    await store.outbox.add(message("1"), message("2", SENSOR))
    for row in await store.outbox.take("rest"):
        await store.outbox.postpone(row.id, "503", clock.at + timedelta(hours=1))
    assert await nothing(store, "rest")
    store.outbox.retry_now("rest")
    assert [row.due for row in await store.outbox.take("rest")] == [message("1"), message("2", SENSOR)]


async def test_a_record_that_is_held_counts_no_attempt_and_lets_an_alarm_pass(store: Store, clock: Clock) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), message("1"))
    (record,) = await store.outbox.take("rest")
    store.outbox.delay(record.id, clock.at + timedelta(milliseconds=20))
    (alarm,) = await store.outbox.take("rest")
    assert alarm.due == message("1")
    await store.outbox.done(alarm.id)
    (again,) = await store.outbox.take("rest")
    assert (again.due, again.attempts) == (RecordItem(uuid=LOCK), 0)


async def test_attempts_are_remembered_over_a_restart(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"))
        (row,) = await store.outbox.take("rest")
        await store.outbox.postpone(row.id, "503", clock.at + timedelta(hours=1))
    async with reopen() as store:
        (row,) = await store.outbox.take("rest")
        assert row.attempts == 1


@pytest.mark.parametrize("days", [-400, 400])
async def test_a_clock_that_jumps_changes_no_order(reopen: Opener, clock: Clock, days: int) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("1"))
        clock.advance(timedelta(days=days))
        await store.outbox.add(notice("2"))
    async with reopen() as store:
        await store.outbox.add(notice("3"))
        assert words(await store.outbox.take("mqtt")) == [notice("1"), notice("2"), notice("3")]


async def test_a_dead_letter_is_kept_with_its_reason_and_frees_its_device(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"), message("2"))
        row, other = await store.outbox.take("rest")
        await store.outbox.dead_letter(row.id, "400505: the cloud refuses it")
        store.outbox.release(other.id)
        assert words(await store.outbox.take("rest")) == [message("2")]
    async with reopen() as store:
        (letter,) = await store.outbox.dead_letters()
        assert (letter.due, letter.reason) == (message("1"), "400505: the cloud refuses it")
        assert letter.failed_at == clock.at
        assert words(await store.outbox.rows()) == [message("2")]


async def test_a_dead_letter_is_sent_again_or_forgotten_as_somebody_says(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"), message("2"), message("3"))
        rows = await store.outbox.take("rest")
        for row in rows:
            await store.outbox.dead_letter(row.id, "refused")
        await store.outbox.requeue(rows[0].id)
        await store.outbox.discard(rows[1].id)
        (again,) = await store.outbox.take("rest")
        assert (again.due, again.id > rows[2].id, again.recovered) == (message("1"), True, False)
        for wrong in (rows[0].id, rows[1].id, 4711):
            with pytest.raises(DeadLetterNotFoundError, match=f"no dead letter {wrong}"):
                await store.outbox.requeue(wrong)
            with pytest.raises(DeadLetterNotFoundError):
                await store.outbox.discard(wrong)
    async with reopen() as store:
        assert [letter.due for letter in await store.outbox.dead_letters()] == [message("3")]
        assert words(await store.outbox.rows()) == [message("1")]


async def test_a_backlog_above_what_memory_holds_comes_back_whole_and_in_order(reopen: Opener) -> None:
    count = 1500
    async with reopen() as store:
        await store.outbox.add(*(notice(str(number)) for number in range(count)))
        rows = await store.outbox.take("mqtt", limit=count)
        assert words(rows) == [notice(str(number)) for number in range(count)]
    async with reopen() as store:
        rows = await store.outbox.take("mqtt", limit=count)
        assert words(rows) == [notice(str(number)) for number in range(count)]


async def test_above_its_bound_the_outbox_drops_old_answers_and_nothing_else(store: Store, clock: Clock) -> None:
    store.outbox.limit = 3
    await store.outbox.add(answer("old"), notice("old"), message("old"))
    clock.advance(timedelta(hours=2))
    await store.outbox.add(answer("1"), answer("2"))
    assert words(await store.outbox.take("mqtt")) == [notice("old"), answer("1"), answer("2")]
    assert words(await store.outbox.take("rest")) == [message("old")]
