"""A state folder that is read-only or vanishes: nothing is told as kept that is not."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from pathlib import Path

import pytest

from gatewayd.model.change import Change
from gatewayd.model.errors import StoreError
from gatewayd.store.command_journal import Entered
from gatewayd.store.disk_space import StoreProblemKind
from gatewayd.store.state_folder import state_folder
from gatewayd.store.store import Store
from tests.common.small_disk import four_megabytes, needs_root
from tests.common.store import KEY, LOCK, SENSOR, T0, Clock, Opener, lock, request, sensor


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with four_megabytes(tmp_path) as disk:
        yield disk


@pytest.fixture
def read_only_view(disk: Path, tmp_path: Path) -> Iterator[Path]:
    """The same files as in `disk`, which cannot be written by this path."""
    view = tmp_path / "read-only"
    view.mkdir()
    subprocess.run(["mount", "--bind", str(disk), str(view)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(view)], check=True)
        yield view
    finally:
        subprocess.run(["umount", str(view)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


async def wait_for_problem(store: Store, kind: StoreProblemKind | None) -> None:
    async with asyncio.timeout(10):
        while (store.problem and store.problem.kind) != kind:
            await asyncio.sleep(0.01)


def test_writable_folder_is_used_itself(tmp_path: Path) -> None:
    with state_folder(tmp_path / "new" / "state") as folder:
        assert (folder.path, folder.problem) == (tmp_path / "new" / "state", None)
        assert list(folder.path.iterdir()) == []


@needs_root
async def test_read_only_folder_is_replaced_by_a_copy_that_refuses_commands(disk: Path, clock: Clock) -> None:
    async with Opener(disk / "gatewayd.db", clock)() as store:
        await store.mirror.put(lock(pin="1"))
    remount(disk, "ro")
    with state_folder(disk) as folder:
        assert "Read-only" in str(folder.problem)
        async with Store.open(
            folder.path / "gatewayd.db", now=clock, zone=UTC, key=KEY, folder_problem=folder.problem
        ) as store:
            assert store.problem is not None
            assert store.problem.kind is StoreProblemKind.NOT_KEPT
            assert store.mirror.get(LOCK) == lock(pin="1")
            with pytest.raises(StoreError, match="cannot be written"):
                await store.journal.begin(request("1"))
            await store.mirror.put(lock(pin="2"))  # what the lock did is still told to the cloud
    assert not folder.path.exists()
    remount(disk, "rw")
    async with Opener(disk / "gatewayd.db", clock)() as store:
        assert store.mirror.get(LOCK) == lock(pin="1")


@needs_root
async def test_what_happened_meanwhile_is_put_back_where_the_folder_can_be_written_again(
    disk: Path, clock: Clock
) -> None:
    async with Opener(disk / "gatewayd.db", clock)() as store:
        await store.mirror.put(lock(pin="1"))
    remount(disk, "ro")
    with suppress(asyncio.CancelledError), state_folder(disk) as folder:
        async with Store.open(
            folder.path / "gatewayd.db", now=clock, zone=UTC, key=KEY, folder_problem=folder.problem
        ) as store:
            await store.mirror.put(lock(pin="2"))
        remount(disk, "rw")
        raise asyncio.CancelledError  # a daemon that is stopped is cancelled
    async with Opener(disk / "gatewayd.db", clock)() as store:
        assert store.mirror.get(LOCK) == lock(pin="2")


async def test_database_that_vanishes_takes_nothing_durable_until_it_is_back(tmp_path: Path, clock: Clock) -> None:
    folder, moved = tmp_path / "state", tmp_path / "elsewhere"
    folder.mkdir()
    async with Opener(folder / "gatewayd.db", clock)(flush_interval_s=0.05) as store, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        await store.mirror.put(lock())
        await store.mirror.put(sensor())
        folder.rename(moved)
        with pytest.raises(StoreError, match="gone from the state folder"):
            await store.mirror.put(lock(pin="1"))
        with pytest.raises(StoreError):
            await store.journal.begin(request("1"))
        assert store.mirror.get(LOCK) == lock()
        store.mirror.report(SENSOR, (Change("temperature", 1.0),), T0)
        await asyncio.sleep(0.3)
        assert store.problem is not None
        assert store.problem.kind is StoreProblemKind.FAILING
        moved.rename(folder)
        await wait_for_problem(store, None)
        assert isinstance(await store.journal.begin(request("1")), Entered)
        running.cancel()


@needs_root
async def test_folder_of_a_running_gateway_is_not_copied(disk: Path, read_only_view: Path, clock: Clock) -> None:
    async with Opener(disk / "gatewayd.db", clock)() as store:
        await store.mirror.put(lock())
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys, pathlib; from gatewayd.store.state_folder import state_folder;"
            "state_folder(pathlib.Path(sys.argv[1])).__enter__()",
            str(read_only_view),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()
    assert b"Is gatewayd already running?" in said
