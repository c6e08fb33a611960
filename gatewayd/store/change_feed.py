"""The set of devices whose state somebody has not taken yet. In memory, for a single consumer."""

import asyncio

from gatewayd.model.ids import Uuid


class ChangeFeed:
    """Uuids in the order in which they first changed; one that changes again before it is taken stands there once."""

    def __init__(self) -> None:
        self._waiting: dict[Uuid, None] = {}
        self._stirred = asyncio.Event()

    def add(self, uuid: Uuid) -> None:
        """Say that `uuid` changed."""
        self._waiting[uuid] = None
        self._stirred.set()

    async def take(self) -> tuple[Uuid, ...]:
        """All that wait, at least one, in order of arrival; they wait no longer."""
        await self._stirred.wait()
        taken = tuple(self._waiting)
        self._waiting.clear()
        self._stirred.clear()
        return taken
