"""Looks after locks that can be spoken to again: hears what they did meanwhile, ends what was begun with their keys.

Each lock has its own turn, so that none waits for another; one that does not answer is tried again, ever less often.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Uuid

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 1800.0

Attend = Callable[[Uuid], Awaitable[object]]
"""What is done for a lock. Raises GatewayError where it cannot be done now."""


class LockReconciler:
    """Does `attend` for each lock that is announced, once at a time a lock."""

    def __init__(self, attend: Attend, *, first_pause_s: float = _FIRST_PAUSE_S) -> None:
        self._attend = attend
        self._first_pause_s = first_pause_s
        self._bells: dict[Uuid, asyncio.Event] = {}
        self._new: asyncio.Queue[Uuid] = asyncio.Queue()

    def announce(self, uuid: Uuid) -> None:
        """There is something to do for this lock, or it may be there again."""
        if uuid not in self._bells:
            self._bells[uuid] = asyncio.Event()
            self._new.put_nowait(uuid)
        self._bells[uuid].set()

    async def run(self) -> None:
        """Look after the locks, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                uuid = await self._new.get()
                tasks.create_task(self._look_after(uuid, self._bells[uuid]), name=f"lock-{uuid}")

    async def _look_after(self, uuid: Uuid, bell: asyncio.Event) -> None:
        pause: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await bell.wait()
                    pause = None
            bell.clear()
            try:
                await self._attend(uuid)
            except GatewayError as error:
                pause = min(self._first_pause_s if pause is None else 2 * pause, _LONGEST_PAUSE_S)
                log.warning("lock_not_settled", uuid=uuid, reason=str(error), again_in_s=pause)
            else:
                pause = None
