"""The mirror: what is in memory, what is on disk, and which changes subscribers are given."""

import asyncio

import pytest

from gatewayd.model.change import Change
from gatewayd.model.errors import UnknownDeviceError
from gatewayd.model.outbox_items import RecordItem, RemovalItem, Route
from gatewayd.model.record import SensorParam
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.store import Store
from tests.common.store import LOCK, SENSOR, T0, Opener, lock, notice, sensor


def temperature(value: float) -> tuple[Change, ...]:
    return (Change("temperature", value),)


async def test_record_and_its_outbox_item_survive_a_restart(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(lock(pin="246810"), RecordItem(uuid=LOCK))
    async with reopen() as store:
        assert store.mirror.get(LOCK) == lock(pin="246810")
        assert [row.item for row in await store.outbox.take(Route.REST)] == [RecordItem(uuid=LOCK)]


async def test_reading_is_in_memory_at_once_and_written_by_the_flush(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(sensor())
        assert store.mirror.report(SENSOR, temperature(21.5), T0) == sensor(temperature=21.5)
        assert store.mirror.get(SENSOR) == sensor(temperature=21.5)
        assert await store.outbox.depth() == {"mqtt": 0, "rest": 0}
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(store.run())
            (row,) = await store.outbox.take(Route.REST)
            running.cancel()
        assert row.item == RecordItem(uuid=SENSOR)
    async with reopen() as store:
        assert store.mirror.get(SENSOR) == sensor(temperature=21.5)


async def test_reading_that_changes_nothing_or_of_unknown_device_returns_none(store: Store) -> None:
    await store.mirror.put(sensor(temperature=20.0))
    assert store.mirror.report(SENSOR, temperature(20.0), T0) is None
    assert store.mirror.report(LOCK, temperature(20.0), T0) is None


async def test_clean_stop_writes_readings_that_were_not_flushed(reopen: Opener) -> None:
    async with reopen(flush_interval_s=3600) as store:
        await store.mirror.put(sensor())
        store.mirror.report(SENSOR, temperature(3.0), T0)
    async with reopen() as store:
        assert store.mirror.get(SENSOR) == sensor(temperature=3.0)
        assert (await store.outbox.depth())[Route.REST] == 1


async def test_many_readings_are_one_outbox_item(store: Store) -> None:
    await store.mirror.put(sensor())
    for value in range(100):
        store.mirror.report(SENSOR, temperature(value), T0)
        if value % 10 == 0:
            await store.mirror.flush()
    await store.mirror.flush()
    assert (await store.outbox.depth())[Route.REST] == 1


async def test_reading_during_a_change_is_not_lost(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(sensor())
        change = asyncio.create_task(store.mirror.change(SENSOR, (Change("battery", 80),), RecordItem(uuid=SENSOR)))
        await asyncio.sleep(0)
        store.mirror.report(SENSOR, temperature(30.0), T0)
        await change
        after = store.mirror.get(SENSOR)
        assert after is not None
        assert after.param == SensorParam(temperature=30.0, battery=80)
    async with reopen() as store:
        assert store.mirror.get(SENSOR) == after


async def test_change_of_unknown_device_is_refused_with_its_items(store: Store) -> None:
    with pytest.raises(UnknownDeviceError):
        await store.mirror.change(LOCK, (Change("operate", 1),), notice("1"))
    assert (await store.outbox.depth())[Route.MQTT] == 0


async def test_change_that_changes_nothing_still_adds_its_items(store: Store) -> None:
    await store.mirror.put(lock())
    assert await store.mirror.change(LOCK, (Change("operate", 0),), notice("1")) == lock()
    assert [row.item for row in await store.outbox.take(Route.MQTT)] == [notice("1")]


async def test_removed_device_is_gone_after_a_restart_and_its_removal_is_in_the_outbox(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(sensor())
        store.mirror.report(SENSOR, temperature(1.0), T0)
        assert await store.mirror.remove(SENSOR, RemovalItem(uuid=SENSOR, id=7)) == sensor(temperature=1.0)
        assert store.mirror.all() == ()
        assert await store.mirror.remove(SENSOR) is None
    async with reopen() as store:
        assert store.mirror.get(SENSOR) is None
        assert [row.item for row in await store.outbox.take(Route.REST)] == [RemovalItem(uuid=SENSOR, id=7)]


async def test_feed_names_each_changed_device_once_in_order(store: Store) -> None:
    with store.mirror.subscribe() as feed:
        await store.mirror.put(lock())
        await store.mirror.put(sensor())
        store.mirror.report(SENSOR, temperature(1.0), T0)
        store.mirror.report(LOCK, (Change("operate", 1),), T0)
        assert await feed.take() == (LOCK, SENSOR)
        waiting = asyncio.create_task(feed.take())
        await store.mirror.remove(LOCK)
        assert await waiting == (LOCK,)


async def test_each_of_two_subscribers_is_given_every_change(store: Store) -> None:
    await store.mirror.put(sensor())
    with store.mirror.subscribe() as first, store.mirror.subscribe() as second:
        for value in range(3):
            store.mirror.report(SENSOR, temperature(value), T0)
            assert [await first.take(), await second.take()] == [(SENSOR,), (SENSOR,)]


async def test_slow_subscriber_does_not_hold_back_another(store: Store) -> None:
    await store.mirror.put(lock())
    await store.mirror.put(sensor())
    with store.mirror.subscribe() as slow, store.mirror.subscribe() as quick:
        for value in range(100):
            store.mirror.report(SENSOR, temperature(value), T0)
            assert await quick.take() == (SENSOR,)
        store.mirror.report(LOCK, (Change("operate", 1),), T0)
        assert await quick.take() == (LOCK,)
        assert await slow.take() == (SENSOR, LOCK)


async def test_subscriber_that_left_is_given_nothing_more(store: Store) -> None:
    await store.mirror.put(sensor())
    with store.mirror.subscribe() as left:
        pass
    with store.mirror.subscribe() as staying:
        store.mirror.report(SENSOR, temperature(1.0), T0)
        assert await staying.take() == (SENSOR,)
    assert await is_empty(left)


async def test_subscriber_that_raises_is_unsubscribed(store: Store) -> None:
    await store.mirror.put(sensor())
    with pytest.raises(ConnectionError), store.mirror.subscribe() as broken:
        raise ConnectionError
    store.mirror.report(SENSOR, temperature(1.0), T0)
    assert await is_empty(broken)


async def test_change_before_subscribing_is_not_in_the_feed(store: Store) -> None:
    await store.mirror.put(sensor())
    store.mirror.report(SENSOR, temperature(1.0), T0)
    with store.mirror.subscribe() as feed:
        assert await is_empty(feed)


async def is_empty(feed: ChangeFeed) -> bool:
    """Whether nothing can be taken from `feed` now."""
    taking = asyncio.create_task(feed.take())
    await asyncio.sleep(0)
    return taking.cancel()


async def test_cancelled_caller_does_not_undo_its_write(reopen: Opener) -> None:
    async with reopen() as store:
        put = asyncio.create_task(store.mirror.put(lock(), notice("1")))
        await asyncio.sleep(0)
        put.cancel()
        with pytest.raises(asyncio.CancelledError):
            await put
        assert [row.item for row in await store.outbox.take(Route.MQTT)] == [notice("1")]
    async with reopen() as store:
        assert store.mirror.get(LOCK) == lock()
