"""The retry worker: requests are merged, failures repeated after a pause, keys independent of one another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from gatewayd.backoff import Backoff
from gatewayd.model.errors import DeviceUnreachableError, GatewayError
from gatewayd.retry_worker import RetryWorker

NEVER = Backoff(3600, 3600)
"""A pause that no test waits for: what is attempted again was asked for."""

AT_ONCE = Backoff(0.001, 0.004)


@dataclass
class Attempts:
    """The attempts that a worker makes, in order, and what each does: `outcome` returns, raises or waits."""

    outcome: Callable[[str, int], Awaitable[None]]
    begun: list[tuple[str, int]] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)

    async def attempt(self, key: str, work: int) -> None:
        self.begun.append((key, work))
        try:
            await self.outcome(key, work)
        finally:
            self.ended.append((key, work))

    def on_failure(self, _key: str, _work: int, _error: GatewayError, pause_s: float) -> None:
        self.pauses_s.append(pause_s)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)

    async def until_begun(self, *expected: tuple[str, int]) -> None:
        await self.until(lambda: len(self.begun) >= len(expected))
        assert self.begun == list(expected)

    async def until_ended(self, count: int) -> None:
        await self.until(lambda: len(self.ended) >= count)


@asynccontextmanager
async def running(
    attempts: Attempts, backoff: Backoff, ignore_wakes_s: float = 0.0
) -> AsyncIterator[RetryWorker[str, int]]:
    """A worker that merges work to the greatest."""
    worker: RetryWorker[str, int] = RetryWorker(
        "test", attempts.attempt, backoff, merge=max, on_failure=attempts.on_failure, ignore_wakes_s=ignore_wakes_s
    )
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def tasks_have_run() -> None:
    """Give every task that can run now its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


async def succeed(_key: str, _work: int) -> None:
    pass


async def fail(_key: str, _work: int) -> None:
    raise DeviceUnreachableError("no answer")


async def wait_for_ever(_key: str, _work: int) -> None:
    await asyncio.Event().wait()


async def test_requested_work_is_attempted_once() -> None:
    attempts = Attempts(succeed)
    async with running(attempts, AT_ONCE) as worker:
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 1))
        await tasks_have_run()
        assert attempts.ended == [("lock", 1)]
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 1), ("lock", 1))


async def test_requests_before_an_attempt_are_merged() -> None:
    attempts = Attempts(succeed)
    async with running(attempts, AT_ONCE) as worker:
        for work in (1, 3, 2):
            worker.request("lock", work)
        await attempts.until_begun(("lock", 3))
        await tasks_have_run()
        assert attempts.begun == [("lock", 3)]


async def test_request_during_an_attempt_is_attempted_after_it() -> None:
    finish = asyncio.Event()

    async def wait(_key: str, _work: int) -> None:
        await finish.wait()

    attempts = Attempts(wait)
    async with running(attempts, AT_ONCE) as worker:
        worker.request("lock", 2)
        await attempts.until_begun(("lock", 2))
        assert worker.running("lock") == 2
        worker.request("lock", 1)
        await tasks_have_run()
        assert attempts.begun == [("lock", 2)]
        finish.set()
        await attempts.until_begun(("lock", 2), ("lock", 1))
        await tasks_have_run()
        assert worker.running("lock") is None


async def test_failed_work_is_attempted_again_after_growing_pauses() -> None:
    failures = iter(range(4))

    async def fail_four_times(key: str, work: int) -> None:
        if next(failures, None) is not None:
            await fail(key, work)

    attempts = Attempts(fail_four_times)
    async with running(attempts, AT_ONCE) as worker:
        worker.request("lock", 2)
        await attempts.until_ended(5)
        assert attempts.begun == [("lock", 2)] * 5
        assert attempts.pauses_s == [0.001, 0.002, 0.004, 0.004]


async def test_pauses_start_anew_after_a_success() -> None:
    outcomes = iter([fail, fail, succeed, fail, succeed])

    async def next_outcome(key: str, work: int) -> None:
        await next(outcomes)(key, work)

    attempts = Attempts(next_outcome)
    async with running(attempts, AT_ONCE) as worker:
        worker.request("lock", 1)
        await attempts.until_ended(3)
        worker.request("lock", 1)
        await attempts.until_ended(5)
        assert attempts.pauses_s == [0.001, 0.002, 0.001]


async def test_request_during_a_pause_ends_it_and_is_merged_with_the_failed_work() -> None:
    attempts = Attempts(fail)
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 2)
        await attempts.until_begun(("lock", 2))
        await tasks_have_run()
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 2), ("lock", 2))
        await tasks_have_run()
        worker.request("lock", 3)
        await attempts.until_begun(("lock", 2), ("lock", 2), ("lock", 3))


async def test_pause_grows_over_requests_unless_they_reset_it() -> None:
    attempts = Attempts(fail)
    async with running(attempts, Backoff(1000, 9000)) as worker:
        for number, reset_pause in enumerate((False, False, True, False), start=1):
            worker.request("lock", 1, reset_pause=reset_pause)
            await attempts.until_ended(number)
            await tasks_have_run()
        assert attempts.pauses_s == [1000, 2000, 1000, 2000]


async def test_wake_ends_a_pause() -> None:
    attempts = Attempts(fail)
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 1))
        await tasks_have_run()
        worker.wake("lock")
        await attempts.until_begun(("lock", 1), ("lock", 1))


async def test_wake_soon_after_a_failure_has_no_effect() -> None:
    attempts = Attempts(fail)
    async with running(attempts, NEVER, ignore_wakes_s=3600) as worker:
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 1))
        await tasks_have_run()
        worker.wake("lock")
        await tasks_have_run()
        assert attempts.begun == [("lock", 1)]


async def test_wake_without_work_has_no_effect() -> None:
    attempts = Attempts(succeed)
    async with running(attempts, NEVER) as worker:
        worker.wake("lock")
        await tasks_have_run()
        assert not attempts.begun


async def test_dropped_key_is_cancelled_and_can_be_requested_again() -> None:
    attempts = Attempts(wait_for_ever)
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 1)
        await attempts.until_begun(("lock", 1))
        worker.drop("lock")
        worker.request("lock", 2)
        await attempts.until_begun(("lock", 1), ("lock", 2))
        assert attempts.ended == [("lock", 1)]
        assert worker.running("lock") == 2


async def test_key_dropped_before_its_attempt_is_not_attempted() -> None:
    attempts = Attempts(succeed)
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 1)
        worker.drop("lock")
        worker.drop("lock")
        await tasks_have_run()
        assert not attempts.begun


async def test_waiting_key_does_not_delay_another() -> None:
    async def wait_for_the_lock(key: str, work: int) -> None:
        if key == "lock":
            await wait_for_ever(key, work)

    attempts = Attempts(wait_for_the_lock)
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 1)
        worker.request("switch", 1)
        await attempts.until(lambda: ("switch", 1) in attempts.ended)


async def test_unexpected_exception_is_logged_and_stops_neither_the_worker_nor_its_key() -> None:
    async def crash_at_1(_key: str, work: int) -> None:
        if work == 1:
            raise ZeroDivisionError

    attempts = Attempts(crash_at_1)
    with capture_logs() as logs:
        async with running(attempts, NEVER) as worker:
            worker.request("lock", 1)
            await attempts.until(lambda: ("lock", 1) in attempts.ended)
            worker.request("switch", 2)
            worker.request("lock", 2)
            await attempts.until_ended(3)
    assert attempts.begun[0] == ("lock", 1)
    assert sorted(attempts.begun[1:]) == [("lock", 2), ("switch", 2)]
    (entry,) = logs
    assert (entry["event"], entry["key"], entry["exc_info"]) == ("attempt_crashed", "lock", True)


async def test_cancelled_worker_ends_every_attempt_and_pause() -> None:
    async def wait_or_fail(key: str, work: int) -> None:
        await (wait_for_ever if key == "lock" else fail)(key, work)

    attempts = Attempts(wait_or_fail)
    before = asyncio.all_tasks()
    async with running(attempts, NEVER) as worker:
        worker.request("lock", 1)
        worker.request("switch", 1)
        await attempts.until(lambda: len(attempts.begun) == 2)
        await tasks_have_run()
    assert asyncio.all_tasks() == before
    assert sorted(attempts.ended) == [("lock", 1), ("switch", 1)]
