"""The replacement of asyncio.wait_for: no cancellation is lost, and otherwise it is as Python's own."""

import asyncio

import pytest

from gatewayd.wait_for import wait_for


async def test_cancellation_that_comes_as_the_future_ends_is_not_lost() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    goes_on = False

    async def wait() -> None:
        nonlocal goes_on
        await wait_for(future, 10)
        goes_on = True

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    future.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not goes_on


async def test_result_and_error_of_the_future_are_passed_on() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    assert await wait_for(asyncio.sleep(0, 7), 10) == 7
    assert await wait_for(asyncio.sleep(0, 7), None) == 7
    with pytest.raises(ZeroDivisionError):
        await wait_for(fail(), 10)


@pytest.mark.parametrize("timeout", [0.01, 0, -1])
async def test_future_that_takes_too_long_is_cancelled(timeout: float) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await wait_for(future, timeout)
    assert future.cancelled()


async def test_future_that_is_done_needs_no_time() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(7)
    assert await wait_for(future, 0) == 7
