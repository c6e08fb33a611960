"""What is planned happens in order and on time, on a clock that the test moves, and leaves nothing behind."""

import asyncio

from gatewayd.simulator.radio.scheduler import Scheduler


def test_what_is_due_happens_in_order_of_time_and_then_of_planning() -> None:
    now = [0.0]
    done: list[str] = []
    scheduler = Scheduler(lambda: now[0])
    scheduler.at(2.0, lambda: done.append("second"))
    scheduler.at(1.0, lambda: done.append("first"))
    scheduler.at(2.0, lambda: done.append("third"))
    scheduler.at(9.0, lambda: done.append("never"))
    now[0] = 2.0
    scheduler.run_due()
    assert done == ["first", "second", "third"]


def test_what_is_cancelled_does_not_happen_and_takes_no_memory() -> None:
    scheduler = Scheduler(lambda: 0.0)
    done: list[int] = []
    kept = scheduler.at(1.0, lambda: done.append(1))
    for _ in range(10_000):
        scheduler.at(3600.0, lambda: done.append(2)).cancel()
    assert len(scheduler) < 200
    kept.cancel()
    kept.cancel()
    scheduler.run_due()
    assert done == []


async def test_the_loop_drives_it_and_an_earlier_entry_comes_first() -> None:
    scheduler = Scheduler()
    done: list[str] = []
    ended = asyncio.Event()
    with scheduler.driven():
        scheduler.after(3600, lambda: done.append("never"))
        scheduler.after(0.02, ended.set)
        scheduler.after(0.01, lambda: done.append("soon"))
        async with asyncio.timeout(10):
            await ended.wait()
    assert done == ["soon"]
