"""The replacement of asyncio.TaskGroup: a cancellation that meets a task's error is not lost."""

import asyncio

import pytest

from gatewayd.task_group import CancellableTaskGroup


async def fail_after(event: asyncio.Event) -> None:
    await event.wait()
    raise OSError("the broker died")


async def test_cancellation_that_comes_in_the_step_of_an_error_ends_the_loop_that_tries_again() -> None:
    died, attempts = asyncio.Event(), 0

    async def session() -> None:
        nonlocal attempts
        while True:
            attempts += 1
            try:
                async with CancellableTaskGroup() as tasks:
                    tasks.create_task(fail_after(died))
                    tasks.create_task(asyncio.sleep(3600))
            except* OSError:
                died.clear()

    task = asyncio.create_task(session())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    died.set()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await task
    assert attempts == 1


async def test_cancellation_while_a_failed_group_waits_for_its_tasks_is_not_lost() -> None:
    slow = asyncio.Event()

    async def end_slowly() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await slow.wait()

    async def whole() -> None:
        async with CancellableTaskGroup() as tasks:
            tasks.create_task(end_slowly())
            await asyncio.sleep(0)
            raise OSError("gone")

    task = asyncio.create_task(whole())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("body_s", [0, 3600])
async def test_error_of_a_task_is_raised_where_nobody_cancels(body_s: float) -> None:
    died = asyncio.Event()

    async def whole() -> None:
        async with CancellableTaskGroup() as tasks:
            tasks.create_task(fail_after(died))
            asyncio.get_running_loop().call_later(0.02, died.set)
            await asyncio.sleep(body_s)

    with pytest.raises(ExceptionGroup) as failed:
        await whole()
    assert failed.group_contains(OSError, match="died")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_timeout_around_a_group_remains_a_timeout() -> None:
    async def whole() -> None:
        async with asyncio.timeout(0.01), CancellableTaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(3600))

    with pytest.raises(TimeoutError):
        await whole()
    await asyncio.sleep(0)  # no cancellation is left over
