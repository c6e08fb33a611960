"""Whose state has changed and has not been taken yet: a set with an alarm clock, in memory, for one taker."""

import asyncio

from gatewayd.model.words import Uuid


class Feed:
    """Uuids in the order in which they first changed; each once, however often it changed."""

    def __init__(self) -> None:
        self._waiting: dict[Uuid, None] = {}
        self._any = asyncio.Event()

    def add(self, uuid: Uuid) -> None:
        """`uuid` has changed."""
        self._waiting[uuid] = None
        self._any.set()

    async def take(self) -> tuple[Uuid, ...]:
        """All that have changed since the last time; waits for the first."""
        await self._any.wait()
        taken = tuple(self._waiting)
        self._waiting.clear()
        self._any.clear()
        return taken
