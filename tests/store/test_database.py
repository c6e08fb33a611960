"""Group commit: many callers, one fsync; a statement that fails fails for its own caller alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.store.connection import Connection, connect, prepare
from gatewayd.store.database import Database, Transaction


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    connection = await connect(tmp_path / "test.db")
    assert isinstance(connection, Connection)
    await connection.run(prepare)
    await connection.run(lambda raw: raw.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB) STRICT"))
    yield Database(connection, free_space=lambda: False, find_lost_file=lambda: None, on_failure=lambda _: None)
    await connection.close()


def insert(name: str) -> Transaction:
    transaction = Transaction()
    transaction.add("INSERT INTO fact VALUES (?, ?)", name, b"")
    return transaction


async def read_one(database: Database, query: str) -> Any:
    def work(raw: sqlite3.Connection) -> Any:
        return raw.execute(query).fetchone()[0]

    return await database.read(work)


async def count(database: Database) -> int:
    return int(await read_one(database, "SELECT count(*) FROM fact"))


async def test_failing_transaction_leaves_others_of_its_group_untouched(database: Database) -> None:
    broken = insert("broken")
    broken.add("INSERT INTO fact VALUES (?, ?)", "broken", b"again")
    outcomes = await asyncio.gather(
        *(database.commit(transaction) for transaction in (insert("a"), broken, insert("b"))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreError, type(None)]
    assert await count(database) == 2


async def test_parameter_that_sqlite_cannot_hold_raises_and_the_database_goes_on(database: Database) -> None:
    with pytest.raises(StoreError):
        await database.commit(insert("\ud800"))
    await database.commit(insert("after"))
    assert await count(database) == 1


async def test_transactions_that_wait_together_share_a_commit(database: Database) -> None:
    statements: list[str] = []
    await database.read(lambda raw: raw.set_trace_callback(statements.append))
    await asyncio.gather(*(database.commit(insert(str(number))) for number in range(50)))
    assert statements.count("COMMIT") < 10
    assert await count(database) == 50


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
async def test_only_durable_transactions_are_synced(database: Database, durable: bool, level: int) -> None:
    await database.commit(insert("a"), durable=durable)
    assert await read_one(database, "PRAGMA synchronous") == level


async def test_deferred_statement_is_written_with_the_next_transaction(database: Database) -> None:
    database.defer("INSERT INTO fact VALUES ('deferred', x'')")
    assert await count(database) == 0
    assert database.has_deferred
    await database.commit(Transaction(), durable=False)
    assert await count(database) == 1
    assert not database.has_deferred


@pytest.mark.parametrize(("name", "expected"), [("a", ["committed"]), ("\ud800", ["failed"])])
async def test_callbacks_run_even_if_the_caller_is_cancelled(
    database: Database, name: str, expected: list[str]
) -> None:
    called: list[str] = []
    transaction = insert(name)
    transaction.on_commit.append(note(called, "committed"))
    transaction.on_failure.append(note(called, "failed"))
    committing = asyncio.create_task(database.commit(transaction))
    await asyncio.sleep(0)
    committing.cancel()
    await database.commit(Transaction())
    assert called == expected


def note(called: list[str], name: str) -> Callable[[], None]:
    return lambda: called.append(name)


async def test_fault_in_a_callback_leaves_no_caller_of_its_group_waiting(database: Database) -> None:
    faulty = insert("faulty")
    faulty.on_commit.append(lambda: 1 / 0)
    async with asyncio.timeout(5):
        await asyncio.gather(database.commit(faulty), database.commit(insert("a")), database.commit(insert("b")))
    assert await count(database) == 3
