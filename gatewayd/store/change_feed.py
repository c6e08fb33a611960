"""Which devices have changed since a subscriber last looked. In memory; one feed a subscriber of the mirror."""

import asyncio
from collections.abc import Iterable

from gatewayd.model.ids import Uuid


class ChangeFeed:
    """Uuids in the order in which they first changed. A device that changes again before it is taken is there once."""

    def __init__(self) -> None:
        self._changed: dict[Uuid, None] = {}
        self._has_changes = asyncio.Event()

    def add(self, uuid: Uuid) -> None:
        """Add a device that has changed."""
        self._changed[uuid] = None
        self._has_changes.set()

    def add_all(self, uuids: Iterable[Uuid]) -> None:
        """Add several devices, so that this subscriber looks at them anew."""
        for uuid in uuids:
            self.add(uuid)

    async def take(self) -> tuple[Uuid, ...]:
        """Wait for at least one change; return all there are, in order, and empty the feed. For one task at a time."""
        await self._has_changes.wait()
        taken = tuple(self._changed)
        self._changed.clear()
        self._has_changes.clear()
        return taken
