"""Opening a database that is damaged, too new, half migrated, or open in another process."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import Route
from gatewayd.store.schema import migrate, migrations
from tests.common.store import LOCK, Opener, lock, notice

HOLD_OPEN = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from gatewayd.store.store import Store

async def main():
    async with Store.open(Path(sys.argv[1]), now=lambda: datetime.now(UTC), zone=UTC, key=bytes(32)):
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def write_record(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(lock())


async def test_damaged_database_is_set_aside_and_a_new_one_made(reopen: Opener) -> None:
    await write_record(reopen)
    damaged = b"not a database at all" * 500
    reopen.path.write_bytes(damaged)
    async with reopen() as store:
        assert store.damaged_copy is not None
        assert store.damaged_copy.name == "gatewayd.db.damaged-20260501T120000Z"
        assert store.damaged_copy.read_bytes() == damaged
        assert store.mirror.all() == ()
        await store.mirror.put(lock())
    async with reopen() as store:
        assert store.damaged_copy is None
        assert store.mirror.get(LOCK) == lock()


async def test_overwritten_page_is_detected(reopen: Opener) -> None:
    await write_record(reopen)
    with reopen.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    async with reopen() as store:
        assert store.damaged_copy is not None


async def test_two_damaged_databases_of_one_second_are_both_kept(reopen: Opener) -> None:
    kept = set()
    for content in (b"first" * 1000, b"second" * 1000):
        reopen.path.write_bytes(content)
        async with reopen() as store:
            assert store.damaged_copy is not None
            kept.add(store.damaged_copy.read_bytes())
    assert len(kept) == 2


async def test_database_of_a_newer_version_is_refused_and_left_alone(reopen: Opener) -> None:
    await write_record(reopen)
    with sqlite3.connect(reopen.path) as raw:
        raw.execute("PRAGMA user_version = 9999")
    raw.close()
    with pytest.raises(StoreError, match="newer gatewayd"):
        async with reopen():
            pass
    assert [path.name for path in reopen.path.parent.iterdir() if "damaged" in path.name] == []


async def test_file_that_cannot_be_opened_is_not_taken_for_damaged(reopen: Opener) -> None:
    reopen.path.mkdir()
    with pytest.raises(StoreError, match=r"Opening the database .* failed"):
        async with reopen():
            pass
    assert reopen.path.is_dir()


async def test_second_process_is_refused_and_the_first_goes_on(reopen: Opener) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD_OPEN, str(reopen.path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    with pytest.raises(StoreError, match="another process"):
        async with reopen():
            pass
    await process.communicate(b"")
    assert process.returncode == 0
    async with reopen() as store:
        assert store.damaged_copy is None


async def test_other_users_cannot_read_the_database(reopen: Opener) -> None:
    async with reopen() as store:
        await store.mirror.put(lock())
        assert {path.stat().st_mode & 0o077 for path in reopen.path.parent.glob("gatewayd.db*")} == {0}


async def test_unreadable_rows_are_dropped_alone(reopen: Opener) -> None:
    await write_record(reopen)
    with sqlite3.connect(reopen.path) as raw:
        raw.execute("INSERT INTO mirror VALUES (99, 'x', X'7B')")
        raw.execute("INSERT INTO outbox VALUES (7, 'notice', 'x', X'7B', 0, 0)")
    raw.close()
    async with reopen() as store:
        assert store.mirror.all() == (lock(),)
        await store.outbox.add(notice("1"))
        assert [row.item for row in await store.outbox.take(Route.MQTT)] == [notice("1")]
        (dead_letter,) = await store.outbox.dead_letters()
        assert (dead_letter.id, dead_letter.item) == (7, None)
        assert "cannot be read" in dead_letter.reason


async def test_backup_opens_as_a_store(reopen: Opener, tmp_path: Path) -> None:
    async with reopen() as store:
        await store.mirror.put(lock(pin="135790"))
        await store.backup(tmp_path / "copy.db")
    async with Opener(tmp_path / "copy.db", reopen.clock)() as copy:
        assert copy.mirror.get(LOCK) == lock(pin="135790")


def test_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "db", isolation_level=None)
    migrate(raw, migrations())
    before = list(raw.iterdump())
    broken = (migrations()[-1][0] + 1, "CREATE TABLE new (a);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match="nothing of it stands"):
        migrate(raw, (*migrations(), broken))
    assert list(raw.iterdump()) == before
    assert raw.execute("PRAGMA user_version").fetchone() == (migrations()[-1][0],)
    raw.close()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))
