"""Scheduled actions run in order and on time, on a clock that the test sets, and are removed afterwards."""

import asyncio

from gatewayd.simulator.radio.scheduler import Scheduler


def test_due_actions_run_in_order_of_time_then_of_scheduling() -> None:
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


def test_cancelled_action_does_not_run_and_is_removed() -> None:
    scheduler = Scheduler(lambda: 0.0)
    done: list[int] = []
    pending = scheduler.at(1.0, lambda: done.append(1))
    for _ in range(10_000):
        scheduler.at(3600.0, lambda: done.append(2)).cancel()
    assert len(scheduler) < 200
    pending.cancel()
    pending.cancel()
    scheduler.run_due()
    assert done == []


async def test_driven_scheduler_runs_earlier_action_first() -> None:
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
