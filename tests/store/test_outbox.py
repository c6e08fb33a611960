"""The outbox: items in order for each device, none lost, none doubled."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from gatewayd.model.outbox_items import OutboxItem, RecordItem, RemovalItem, Route
from gatewayd.store.outbox import DeadLetterNotFoundError, OutboxRow
from gatewayd.store.store import Store
from tests.common.store import LOCK, SENSOR, Clock, Opener, answer, message, notice

HOUR_S = 3600.0


def items(rows: tuple[OutboxRow, ...]) -> list[OutboxItem]:
    return [row.item for row in rows]


async def nothing_ready(store: Store, route: Route) -> bool:
    """True if no item of `route` may be sent now."""
    taking = asyncio.create_task(store.outbox.take(route))
    for _ in range(5):
        await asyncio.sleep(0)
    taking.cancel()
    return not taking.done()


async def test_routes_do_not_wait_for_each_other(store: Store) -> None:
    await store.outbox.add(message("m"), notice("n"))
    assert items(await store.outbox.take(Route.MQTT)) == [notice("n")]
    assert items(await store.outbox.take(Route.REST)) == [message("m")]


async def test_rest_gives_one_item_a_device_and_the_next_once_that_is_done(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), message("1"), message("2", SENSOR))
    first, other = await store.outbox.take(Route.REST)
    assert items((first, other)) == [RecordItem(uuid=LOCK), message("2", SENSOR)]
    assert await nothing_ready(store, Route.REST)
    await store.outbox.done(first.id)
    assert items(await store.outbox.take(Route.REST)) == [message("1")]


async def test_consecutive_messages_of_a_device_are_taken_together_and_nothing_overtakes_them(store: Store) -> None:
    many = [message(str(number)) for number in range(30)]
    await store.outbox.add(*many, RemovalItem(uuid=LOCK, id=7), message("after"))
    together = await store.outbox.take(Route.REST)
    assert items(together) == many[:25]
    assert await nothing_ready(store, Route.REST)
    await store.outbox.done(*(row.id for row in together[:24]))
    assert await nothing_ready(store, Route.REST)
    await store.outbox.done(together[24].id)
    rest = await store.outbox.take(Route.REST)
    assert items(rest) == many[25:]
    await store.outbox.done(*(row.id for row in rest))
    assert items(await store.outbox.take(Route.REST)) == [RemovalItem(uuid=LOCK, id=7)]


async def test_mqtt_gives_all_items_of_a_device_in_order(store: Store) -> None:
    await store.outbox.add(notice("1"), notice("2", SENSOR), notice("3"))
    assert items(await store.outbox.take(Route.MQTT)) == [notice("1"), notice("2", SENSOR), notice("3")]


async def test_mqtt_item_waits_for_no_earlier_one_in_flight_or_postponed(store: Store) -> None:
    await store.outbox.add(notice("1"), notice("2"))
    first, second = await store.outbox.take(Route.MQTT)
    await store.outbox.add(answer("3"))
    assert items(await store.outbox.take(Route.MQTT)) == [answer("3")]
    store.outbox.postpone(first.id, HOUR_S, "withheld")
    await store.outbox.add(notice("4"))
    assert items(await store.outbox.take(Route.MQTT)) == [notice("4")]
    store.outbox.retry_now(Route.MQTT)
    store.outbox.release(second.id)
    assert items(await store.outbox.take(Route.MQTT)) == [notice("1"), notice("2")]


async def test_take_waits_until_there_is_an_item(store: Store) -> None:
    taking = asyncio.create_task(store.outbox.take(Route.REST))
    await asyncio.sleep(0)
    await store.outbox.add(message("1"))
    assert items(await taking) == [message("1")]


async def test_take_gives_no_more_than_its_limit(store: Store) -> None:
    await store.outbox.add(*(notice(str(number)) for number in range(5)))
    assert items(await store.outbox.take(Route.MQTT, limit=2)) == [notice("0"), notice("1")]


async def test_done_item_is_gone_after_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("1"), notice("2"), RecordItem(uuid=LOCK))
        (one, _) = await store.outbox.take(Route.MQTT)
        (record,) = await store.outbox.take(Route.REST)
        await store.outbox.done(one.id, record.id)
    async with reopen() as store:
        (row,) = await store.outbox.take(Route.MQTT)
        assert row.item == notice("2")
        assert row.maybe_sent
        assert (await store.outbox.depth())[Route.REST] == 0


async def test_item_is_maybe_sent_from_when_that_is_marked(store: Store) -> None:
    await store.outbox.add(message("1"))
    (row,) = await store.outbox.take(Route.REST)
    assert not row.maybe_sent
    store.outbox.mark_maybe_sent(row.id)
    store.outbox.release(row.id)
    (again,) = await store.outbox.take(Route.REST)
    assert again.maybe_sent


async def test_released_items_wait_again_in_the_same_order(store: Store) -> None:
    await store.outbox.add(notice("1"), notice("2"))
    taken = await store.outbox.take(Route.MQTT)
    await store.outbox.add(notice("3"))
    store.outbox.release(*(row.id for row in reversed(taken)))
    assert items(await store.outbox.take(Route.MQTT)) == [notice("1"), notice("2"), notice("3")]


async def test_late_call_for_an_item_that_is_not_in_flight_changes_nothing(store: Store) -> None:
    await store.outbox.add(notice("1"))
    (row,) = await store.outbox.take(Route.MQTT)
    store.outbox.release(row.id)
    await store.outbox.done(row.id)
    await store.outbox.dead_letter(row.id, "late")
    store.outbox.mark_maybe_sent(row.id)
    (again,) = await store.outbox.take(Route.MQTT)
    assert (again.item, again.maybe_sent) == (notice("1"), False)


async def test_device_has_one_waiting_record_however_often_it_changes(store: Store) -> None:
    await asyncio.gather(*(store.outbox.add(RecordItem(uuid=LOCK)) for _ in range(4)))
    assert (await store.outbox.depth())[Route.REST] == 1


async def test_record_that_changes_while_in_flight_is_sent_again(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK))
    (first,) = await store.outbox.take(Route.REST)
    await store.outbox.add(RecordItem(uuid=LOCK))
    await store.outbox.done(first.id)
    (second,) = await store.outbox.take(Route.REST)
    assert (second.item, second.id != first.id) == (RecordItem(uuid=LOCK), True)


async def test_record_that_failed_and_changed_meanwhile_is_sent_once(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(RecordItem(uuid=LOCK))
        (first,) = await store.outbox.take(Route.REST)
        await store.outbox.add(RecordItem(uuid=LOCK))
        store.outbox.release(first.id)
        assert (await store.outbox.depth())[Route.REST] == 1
    async with reopen() as store:
        assert (await store.outbox.depth())[Route.REST] == 1


async def test_device_that_left_and_joined_again_is_sent_in_that_order(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), RemovalItem(uuid=LOCK, id=7), RecordItem(uuid=LOCK))
    taken = []
    for _ in range(3):
        (row,) = await store.outbox.take(Route.REST)
        taken.append(row.item)
        await store.outbox.done(row.id)
    assert taken == [RecordItem(uuid=LOCK), RemovalItem(uuid=LOCK, id=7), RecordItem(uuid=LOCK)]


async def test_postponed_item_holds_back_its_own_device_alone(store: Store) -> None:
    await store.outbox.add(message("1"), message("2"), message("3", SENSOR))
    first, second, other = await store.outbox.take(Route.REST)
    store.outbox.postpone(first.id, HOUR_S, "503")
    store.outbox.release(second.id)
    await store.outbox.done(other.id)
    await store.outbox.add(message("4", SENSOR))
    assert items(await store.outbox.take(Route.REST)) == [message("4", SENSOR)]
    assert await nothing_ready(store, Route.REST)


async def test_postponed_item_is_ready_again_after_its_pause_with_one_attempt_more(store: Store) -> None:
    await store.outbox.add(message("1"))
    (row,) = await store.outbox.take(Route.REST)
    store.outbox.postpone(row.id, 0.02, "503")
    (again,) = await store.outbox.take(Route.REST)
    assert (again.item, again.attempts) == (message("1"), 1)


async def test_retry_now_ends_every_pause(store: Store) -> None:
    await store.outbox.add(message("1"), message("2", SENSOR))
    for row in await store.outbox.take(Route.REST):
        store.outbox.postpone(row.id, HOUR_S, "503")
    assert await nothing_ready(store, Route.REST)
    store.outbox.retry_now(Route.REST)
    assert items(await store.outbox.take(Route.REST)) == [message("1"), message("2", SENSOR)]


async def test_delayed_record_counts_no_attempt_and_lets_a_message_pass(store: Store) -> None:
    await store.outbox.add(RecordItem(uuid=LOCK), message("1"))
    (record,) = await store.outbox.take(Route.REST)
    store.outbox.delay(record.id, 0.02)
    (alarm,) = await store.outbox.take(Route.REST)
    assert alarm.item == message("1")
    await store.outbox.done(alarm.id)
    (again,) = await store.outbox.take(Route.REST)
    assert (again.item, again.attempts) == (RecordItem(uuid=LOCK), 0)


async def test_attempts_survive_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"))
        (row,) = await store.outbox.take(Route.REST)
        store.outbox.postpone(row.id, HOUR_S, "503")
    async with reopen() as store:
        (row,) = await store.outbox.take(Route.REST)
        assert row.attempts == 1


@pytest.mark.parametrize("days", [-400, 400])
async def test_clock_that_jumps_changes_no_order(reopen: Opener, clock: Clock, days: int) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("1"))
        clock.advance(timedelta(days=days))
        await store.outbox.add(notice("2"))
    async with reopen() as store:
        await store.outbox.add(notice("3"))
        assert items(await store.outbox.take(Route.MQTT)) == [notice("1"), notice("2"), notice("3")]


async def test_dead_letter_has_its_reason_and_lets_its_device_go_on(reopen: Opener, clock: Clock) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"), message("2"))
        row, other = await store.outbox.take(Route.REST)
        await store.outbox.dead_letter(row.id, "400505: the cloud refuses it")
        store.outbox.release(other.id)
        assert items(await store.outbox.take(Route.REST)) == [message("2")]
    async with reopen() as store:
        (dead_letter,) = await store.outbox.dead_letters()
        assert (dead_letter.item, dead_letter.reason) == (message("1"), "400505: the cloud refuses it")
        assert dead_letter.failed_at == clock.at
        assert items(await store.outbox.rows()) == [message("2")]


async def test_same_refusal_of_a_record_is_one_dead_letter(store: Store) -> None:
    for _ in range(3):
        await store.outbox.add(RecordItem(uuid=LOCK))
        (row,) = await store.outbox.take(Route.REST)
        await store.outbox.dead_letter(row.id, "refused")
    assert [dead_letter.item for dead_letter in await store.outbox.dead_letters()] == [RecordItem(uuid=LOCK)]


async def test_dead_letter_is_sent_again_after_requeue_and_deleted_by_discard(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(message("1"), message("2"), message("3"))
        rows = await store.outbox.take(Route.REST)
        for row in rows:
            await store.outbox.dead_letter(row.id, "refused")
        assert await store.outbox.requeue(rows[0].id) == LOCK
        await store.outbox.discard(rows[1].id)
        (again,) = await store.outbox.take(Route.REST)
        assert (again.item, again.id > rows[2].id, again.maybe_sent) == (message("1"), True, False)
        for wrong in (rows[0].id, rows[1].id, 4711):
            with pytest.raises(DeadLetterNotFoundError, match=f"no dead letter {wrong}"):
                await store.outbox.requeue(wrong)
            with pytest.raises(DeadLetterNotFoundError):
                await store.outbox.discard(wrong)
    async with reopen() as store:
        assert [dead_letter.item for dead_letter in await store.outbox.dead_letters()] == [message("3")]
        assert items(await store.outbox.rows()) == [message("1")]


async def test_items_beyond_what_memory_holds_are_read_from_disk_in_order(reopen: Opener) -> None:
    count = 1500
    async with reopen() as store:
        await store.outbox.add(*(notice(str(number)) for number in range(count)))
        rows = await store.outbox.take(Route.MQTT, limit=count)
        assert items(rows) == [notice(str(number)) for number in range(count)]
    async with reopen() as store:
        rows = await store.outbox.take(Route.MQTT, limit=count)
        assert items(rows) == [notice(str(number)) for number in range(count)]


async def test_full_outbox_drops_expired_answers_and_nothing_else(store: Store, clock: Clock) -> None:
    store.outbox.limit = 3
    await store.outbox.add(answer("old"), notice("old"), message("old"))
    clock.advance(timedelta(hours=2))
    await store.outbox.add(answer("1"), answer("2"))
    assert items(await store.outbox.take(Route.MQTT)) == [notice("old"), answer("1"), answer("2")]
    assert items(await store.outbox.take(Route.REST)) == [message("old")]


async def test_item_of_another_version_becomes_a_dead_letter_and_the_others_are_sent(reopen: Opener) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("1"), message("2"), notice("3"))

        def write_as_newer(raw: sqlite3.Connection) -> None:
            picture = "CAST(replace(CAST(body AS TEXT), 'message', 'picture') AS BLOB)"
            raw.execute(f"UPDATE outbox SET kind = 'picture', body = {picture} WHERE id = 2")
            body = "CAST(replace(CAST(body AS TEXT), 'UNLOCK_EVENT', 'FLOOD_EVENT') AS BLOB)"
            raw.execute(f"UPDATE outbox SET body = {body} WHERE id = 3")
            raw.commit()

        await store.database.read(write_as_newer)
    for _ in range(2):
        async with reopen() as store:
            rows = await store.outbox.take(Route.MQTT)
            assert items(rows) == [notice("1")]
            dead = {letter.id: letter.reason for letter in await store.outbox.dead_letters()}
            assert dead.keys() == {2, 3}
            assert "a picture" in dead[2]
            assert "FLOOD_EVENT" in dead[3]
            with pytest.raises(DeadLetterNotFoundError, match="this version"):
                await store.outbox.requeue(2)
