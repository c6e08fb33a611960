"""Checks at an interval whether there is newer firmware (§2.12), and reports it; installing it is another module's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gatewayd.firmware.versions import FirmwareVersion
from gatewayd.model.errors import CloudError

log = structlog.get_logger()

_RETRY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class FirmwareCheck:
    """The result of a check: the installed version, the cloud's latest one, and whether that is newer."""

    installed: str
    latest: str
    is_newer: bool


class FirmwareChecker:
    """Checks at start and every `interval_s`. `fetch_latest` returns the cloud's latest version, and raises CloudError.

    `last_check` is the result of the last check that succeeded.
    """

    def __init__(self, installed: str, fetch_latest: Callable[[], Awaitable[str]], interval_s: float) -> None:
        self._installed = installed
        self._fetch_latest = fetch_latest
        self._interval_s = interval_s
        self.last_check: FirmwareCheck | None = None

    async def run(self) -> None:
        """Check at the interval, and sooner after a failure, until cancelled."""
        while True:
            try:
                await self.check()
            except CloudError as error:
                log.warning("firmware_check_failed", reason=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                await asyncio.sleep(self._interval_s)

    async def check(self) -> FirmwareCheck:
        """Check now. Raises CloudError, also for a version of the cloud that is none."""
        latest = await self._fetch_latest()
        try:
            is_newer = FirmwareVersion(latest) > FirmwareVersion(self._installed)
        except ValueError as error:
            raise CloudError(f"the cloud's latest firmware: {error}") from error
        self.last_check = FirmwareCheck(self._installed, latest, is_newer)
        log.info("firmware_checked", installed=self._installed, latest=latest, is_newer=is_newer)
        return self.last_check
