"""A replacement of `asyncio.wait_for` for Python 3.11, whose own loses a cancellation that comes as its future ends.

A task whose cancellation is lost goes on for ever, and the TaskGroup that cancelled it waits for ever: the daemon does
not stop. Libraries call `asyncio.wait_for` in places that we do not reach (aiomqtt, dbus-fast, bellows), so it is
replaced where they find it. Python 3.12 mended it (gh-96764).
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_MENDED_IN = (3, 12)


async def wait_for(fut: Awaitable[T], timeout: float | None) -> T:
    """As `asyncio.wait_for` of Python 3.12: the result of `fut`, or TimeoutError after `timeout` seconds."""
    if timeout is not None and timeout <= 0:
        future = asyncio.ensure_future(fut)
        if future.done():
            return future.result()
        future.cancel()
        await asyncio.wait((future,))
        if future.cancelled():
            raise TimeoutError
        return future.result()
    async with asyncio.timeout(timeout):
        return await fut


def replace_wait_for() -> None:
    """Replace `asyncio.wait_for` in this process where Python's own is not mended; called before any task runs."""
    if sys.version_info < _MENDED_IN:
        asyncio.wait_for = wait_for  # type: ignore[assignment]  # the stub's own allows more kinds of awaitables
