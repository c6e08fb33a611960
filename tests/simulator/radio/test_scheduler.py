"""What is planned happens in order and on time, on a clock that the test moves, and leaves nothing behind."""

import asyncio

from gatewayd.simulator.radio.scheduler import Scheduler


def test_what_is_due_happens_in_order_of_time_and_then_of_planning() -> None:
    now = [0.0]
    done: list[str] = []
    agenda = Scheduler(lambda: now[0])
    agenda.at(2.0, lambda: done.append("second"))
    agenda.at(1.0, lambda: done.append("first"))
    agenda.at(2.0, lambda: done.append("third"))
    agenda.at(9.0, lambda: done.append("never"))
    now[0] = 2.0
    agenda.run_due()
    assert done == ["first", "second", "third"]


def test_what_is_cancelled_does_not_happen_and_takes_no_memory() -> None:
    agenda = Scheduler(lambda: 0.0)
    done: list[int] = []
    kept = agenda.at(1.0, lambda: done.append(1))
    for _ in range(10_000):
        agenda.at(3600.0, lambda: done.append(2)).cancel()
    assert len(agenda) < 200
    kept.cancel()
    kept.cancel()
    agenda.run_due()
    assert done == []


async def test_the_loop_drives_it_and_an_earlier_entry_comes_first() -> None:
    agenda = Scheduler()
    done: list[str] = []
    ended = asyncio.Event()
    with agenda.driven():
        agenda.after(3600, lambda: done.append("never"))
        agenda.after(0.02, ended.set)
        agenda.after(0.01, lambda: done.append("soon"))
        async with asyncio.timeout(10):
            await ended.wait()
    assert done == ["soon"]
