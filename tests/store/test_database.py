"""Group commit: many callers, one fsync; and nobody suffers for another's fault."""

import asyncio

import pytest

from gatewayd.model.errors import StoreError
from gatewayd.store.database import Write
from gatewayd.store.store import Store


def fact(name: str) -> Write:
    write = Write()
    write.add("INSERT INTO fact VALUES (?, ?)", name, b"")
    return write


async def count(store: Store) -> int:
    (number,) = await store._database.read(lambda raw: raw.execute("SELECT count(*) FROM fact").fetchone())
    return int(number)


async def test_one_writers_fault_is_his_alone(store: Store) -> None:
    broken = fact("broken")
    broken.add("INSERT INTO fact VALUES (?, ?)", "broken", b"again")
    outcomes = await asyncio.gather(
        *(store._database.commit(write) for write in (fact("a"), broken, fact("b"))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreError, type(None)]
    assert await count(store) == 2


async def test_a_parameter_that_sqlite_cannot_hold_is_an_error_and_no_crash(store: Store) -> None:
    write = Write()
    write.add("INSERT INTO fact VALUES (?, ?)", "\ud800", b"")
    with pytest.raises(StoreError):
        await store._database.commit(write)
    await store._database.commit(fact("after"))
    assert await count(store) == 1


async def test_writes_that_wait_together_share_a_transaction(store: Store) -> None:
    transactions: list[str] = []
    await store._database.read(lambda raw: raw.set_trace_callback(transactions.append))
    await asyncio.gather(*(store._database.commit(fact(str(number))) for number in range(50)))
    assert transactions.count("COMMIT") < 10
    assert await count(store) == 50


@pytest.mark.parametrize("durable", [True, False])
async def test_what_must_last_is_synced_and_readings_are_not(store: Store, durable: bool) -> None:
    await store._database.commit(fact("a"), durable=durable)
    (level,) = await store._database.read(lambda raw: raw.execute("PRAGMA synchronous").fetchone())
    assert level == (2 if durable else 1)


async def test_what_is_written_later_rides_with_the_next_transaction(store: Store) -> None:
    store._database.write_later("INSERT INTO fact VALUES ('rider', x'')")
    assert await count(store) == 0
    await store._database.commit(Write(), durable=False)
    assert await count(store) == 1
    assert not store._database.has_later
