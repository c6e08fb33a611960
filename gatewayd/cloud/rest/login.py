"""Logging in, and not again and again where the cloud refuses it: accounts lock."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gatewayd.cloud.rest.errors import NotLetInError, RefusedByCloudError

FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 1800.0


class Login:
    """A login that keeps its distance: after a refusal the cloud is not asked before a pause, each twice the last."""

    def __init__(self, log_in: Callable[[], Awaitable[str]], *, first_pause_s: float) -> None:
        self._log_in = log_in
        self._first_pause_s = first_pause_s
        self._pause_s = first_pause_s
        self._not_before = 0.0
        self._reason = ""

    async def __call__(self) -> str:
        """A token. Raises NotLetInError, without asking the cloud while a pause lasts; CloudUnavailableError."""
        clock = asyncio.get_running_loop().time
        if (left := self._not_before - clock()) > 0:
            raise NotLetInError(f"{self._reason}; the cloud is asked again in {left:.0f} s")
        try:
            token = await self._log_in()
        except RefusedByCloudError as error:
            self._reason, self._not_before = str(error), clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise NotLetInError(self._reason) from error
        self._pause_s = self._first_pause_s
        return token
