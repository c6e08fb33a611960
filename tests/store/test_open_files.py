"""A file of the open database is removed, replaced or cut: nothing is told as kept that would be gone afterwards."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import Route
from gatewayd.store.command_journal import Repeated
from tests.common.store import Opener, answer, enter, notice, request


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


def cut(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("name", ["gatewayd.db", "gatewayd.db-wal"])
@pytest.mark.parametrize("harm", [remove, replace, cut])
async def test_nothing_durable_is_written_once_an_open_file_is_another(
    reopen: Opener, name: str, harm: Callable[[Path], None]
) -> None:
    async with reopen() as store:
        await store.journal.finish(await enter(store, "1"), answer("1"))
        harm(reopen.path.with_name(name))
        assert not store.is_in_place()
        with pytest.raises(StoreError, match=f"{name} (is gone from the state folder|was cut)"):
            await store.journal.begin(request("2"))
        assert name in str(store.problem)


async def test_what_was_in_a_wal_that_is_removed_is_kept_over_a_crash(reopen: Opener, tmp_path: Path) -> None:
    async with reopen() as store:
        await store.outbox.add(notice("event"))
        await store.journal.finish(await enter(store, "1"), answer("1"))
        reopen.path.with_name("gatewayd.db-wal").unlink()
        await store.check_files()
        assert store.problem is not None
        crashed = tmp_path / "crashed" / "gatewayd.db"
        crashed.parent.mkdir()
        shutil.copy(reopen.path, crashed)  # what a process that starts then finds
    async with Opener(crashed, reopen.clock)() as store:
        assert store.damaged_copy is None
        assert isinstance(await store.journal.begin(request("1")), Repeated)
        assert notice("event") in [row.item for row in await store.outbox.take(Route.MQTT)]


async def test_file_that_comes_back_ends_the_problem(reopen: Opener, tmp_path: Path) -> None:
    wal, elsewhere = reopen.path.with_name("gatewayd.db-wal"), tmp_path / "elsewhere"
    async with reopen() as store:
        await enter(store, "1")
        wal.rename(elsewhere)
        await store.check_files()
        assert store.problem is not None
        elsewhere.rename(wal)
        assert store.is_in_place()
        await store.journal.begin(request("2"))
