"""Looks whether there is newer firmware (§2.12). Installing it is an installer's job; with `none` it is only said."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gatewayd.firmware.versions import FirmwareVersion
from gatewayd.model.errors import CloudError

log = structlog.get_logger()

_AGAIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class FirmwareCheck:
    """What the last look found."""

    installed: str
    latest: str
    is_newer: bool


class FirmwareWatch:
    """Looks at start and every `interval_s`. `latest` asks the cloud for the newest version's text."""

    def __init__(self, installed: str, latest: Callable[[], Awaitable[str]], interval_s: float) -> None:
        self._installed = installed
        self._latest = latest
        self._interval_s = interval_s
        self.found: FirmwareCheck | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except CloudError as error:
                log.warning("firmware_not_looked_up", reason=str(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                await asyncio.sleep(self._interval_s)

    async def look(self) -> FirmwareCheck:
        """Ask now. Raises CloudError; a version that is none is one, too."""
        latest = await self._latest()
        try:
            is_newer = FirmwareVersion(latest) > FirmwareVersion(self._installed)
        except ValueError as error:
            raise CloudError(f"the cloud's latest firmware: {error}") from error
        self.found = FirmwareCheck(self._installed, latest, is_newer)
        log.info("firmware_looked_up", installed=self._installed, latest=latest, is_newer=is_newer)
        return self.found
