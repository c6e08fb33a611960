"""A full disk: readings stop first, then commands, last of all what happens at a lock; then all of it works again."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatewayd.model.change import Change
from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import RecordItem, Route
from gatewayd.model.status import OperationStatus
from gatewayd.store import store as store_module
from gatewayd.store.command_journal import Entered
from gatewayd.store.disk_space import StoreProblemKind
from gatewayd.store.store import Store
from tests.common.small_disk import fill, four_megabytes, needs_root
from tests.common.store import LOCK, SENSOR, T0, Clock, Opener, lock, notice, request, sensor

pytestmark = needs_root

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with four_megabytes(tmp_path) as disk:
        yield disk


async def put_until_refused(store: Store) -> int:
    """How many lock events were written before the first was refused."""
    for number in range(100_000):
        try:
            await store.mirror.put(lock(pin=str(number)), notice(str(number)))
        except StoreError:
            return number
    raise AssertionError("the disk never became full")


async def wait_for_problem(store: Store, kind: StoreProblemKind | None) -> None:
    async with asyncio.timeout(10):
        while (store.problem and store.problem.kind) != kind:
            await store.wait_problem_changed()


async def test_nearly_full_disk_stops_readings_and_nothing_else(small_disk: Path, clock: Clock) -> None:
    async with Opener(small_disk / "gatewayd.db", clock)() as store, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        await store.mirror.put(sensor())
        ballast = fill(small_disk, MEGABYTE // 2)
        store.mirror.report(SENSOR, (Change("temperature", 1.0),), T0)
        await wait_for_problem(store, StoreProblemKind.DISK_LOW)
        assert (await store.outbox.depth())[Route.REST] == 0
        assert isinstance(await store.journal.begin(request("1")), Entered)
        ballast.unlink()
        await wait_for_problem(store, None)
        assert [row.item for row in await store.outbox.take(Route.REST)] == [RecordItem(uuid=SENSOR)]
        running.cancel()


async def test_disk_that_others_fill_is_found_while_nothing_is_written(
    small_disk: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LOOK_EVERY_S", 0.05)
    async with Opener(small_disk / "gatewayd.db", clock)() as store, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        ballast = fill(small_disk, MEGABYTE // 2)
        await wait_for_problem(store, StoreProblemKind.DISK_LOW)
        ballast.unlink()
        await wait_for_problem(store, None)
        running.cancel()


async def test_full_disk_refuses_commands_and_still_takes_lock_events(small_disk: Path, clock: Clock) -> None:
    opener = Opener(small_disk / "gatewayd.db", clock)
    written = 0
    async with opener() as store, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        await store.mirror.put(lock())
        ballast = fill(small_disk, 0)
        while store.problem is None or store.problem.kind is not StoreProblemKind.DISK_FULL:
            await store.mirror.put(lock(), notice(str(written)))
            written += 1
        with pytest.raises(StoreError) as refused:
            await store.journal.begin(request("1"))
        assert refused.value.status is OperationStatus.LOCAL_STORAGE_ERROR
        for _ in range(100):
            await store.mirror.put(lock(), notice(str(written)))
            written += 1
        ballast.unlink()
        await wait_for_problem(store, None)
        assert isinstance(await store.journal.begin(request("1")), Entered)
        running.cancel()
    async with opener() as store:
        rows = await store.outbox.take(Route.MQTT, limit=written + 1)
        assert [row.item for row in rows] == [notice(str(number)) for number in range(written)]


async def test_write_fails_cleanly_once_the_reserve_is_used_up_and_works_once_there_is_space(
    small_disk: Path, clock: Clock
) -> None:
    opener = Opener(small_disk / "gatewayd.db", clock)
    async with opener() as store:
        await store.mirror.put(lock())
        ballast = fill(small_disk, 0)
        (small_disk / "gatewayd.db.reserve").unlink()
        (small_disk / "more").write_bytes(bytes(MEGABYTE - 65536))
        written = await put_until_refused(store)
        assert store.mirror.get(LOCK) == lock(pin=str(written - 1) if written else None)
        ballast.unlink()
        clock.advance(timedelta(seconds=1))
        await store.outbox.add(notice("after"))
        rows = await store.outbox.take(Route.MQTT, limit=10_000)
        assert [row.item for row in rows] == [notice(str(number)) for number in range(written)] + [notice("after")]


async def test_full_database_is_a_problem_until_there_is_space(reopen: Opener) -> None:
    """SQLITE_FULL without a full disk: the database reaches its own limit of pages."""
    async with reopen() as store:
        await store.mirror.put(lock())
        await store.database.read(lambda raw: raw.execute("PRAGMA max_page_count = 1").fetchone())
        with pytest.raises(StoreError, match="full"):
            await store.outbox.add(*(notice(str(number)) for number in range(500)))
        assert store.problem is not None
        assert (await store.outbox.depth())[Route.MQTT] == 0
        await store.database.read(lambda raw: raw.execute("PRAGMA max_page_count = 1073741823").fetchone())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(store.run())
            await wait_for_problem(store, None)
            running.cancel()
        await store.outbox.add(notice("1"))
        assert len(await store.outbox.take(Route.MQTT)) == 1
