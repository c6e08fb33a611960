"""Tells systemd that the daemon works (WATCHDOG=1), as long as it does, and how it is (STATUS=…); see sd_notify(3).

Who is asked: the event loop (this runs on it), the store (a read must come back), the radio's supervisor and the MQTT
session (an attempt must end, well or ill). A radio or a broker that is away is no reason for a restart: the part that
brings it back must be at work, that is all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError

log = structlog.get_logger()

STALLED_AFTER_S: Final = 120.0
"""No attempt of a part takes so long: it is stuck. A store on a slow disk may take a minute for one fsync."""

_INTERVAL_S: Final = 5.0
_MAX_STATUS: Final = 200  # characters
_UNKNOWN: Final = "unknown: "


class Watchdog:
    """`notify` sends to systemd, `probe_store` reads from the store, `busy_since` tells for each part when what it
    does now began (None: nothing that must end), by the event loop's clock; `status` is a line for people.

    `interval_s` is at most half of WatchdogSec.
    """

    def __init__(
        self,
        notify: Callable[[str], None],
        probe_store: Callable[[], Awaitable[object]],
        busy_since: Callable[[], Mapping[str, float | None]],
        status: Callable[[], str],
        *,
        interval_s: float = _INTERVAL_S,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        self._notify = notify
        self._probe_store = probe_store
        self._busy_since = busy_since
        self._status = status
        self._interval_s = interval_s
        self._stalled_after_s = stalled_after_s
        self._store_asked_at: float | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_store())
            tasks.create_task(self._feed())

    async def _watch_store(self) -> None:
        while True:
            self._store_asked_at = asyncio.get_running_loop().time()
            try:
                await self._probe_store()
            except GatewayError as error:  # an answer: the store says by itself that it fails
                log.debug("store_probe_failed", reason=str(error))
            self._store_asked_at = None
            await asyncio.sleep(self._interval_s)

    async def _feed(self) -> None:
        sent = ""
        was_stalled: tuple[str, ...] = ()
        while True:
            stalled = self._stalled()
            if not stalled:
                self._notify("WATCHDOG=1")
            elif stalled != was_stalled:
                log.error("watchdog_not_fed", stalled=stalled)
            was_stalled = stalled
            line = f"stuck: {', '.join(stalled)}" if stalled else self._line()
            if line != sent:
                if line.startswith(_UNKNOWN):
                    log.error("status_line_failed", reason=line)
                self._notify(f"STATUS={line}")
                sent = line
            await asyncio.sleep(self._interval_s)

    def _line(self) -> str:
        """The status in one line; a fault in what makes it is none of the daemon's, which works."""
        try:
            line = self._status()
        except Exception as error:  # noqa: BLE001
            line = f"{_UNKNOWN}{error!r}"
        return " ".join(line.split())[:_MAX_STATUS]

    def _stalled(self) -> tuple[str, ...]:
        """The parts that are stuck."""
        now = asyncio.get_running_loop().time()
        busy_since = {"store": self._store_asked_at, **self._busy_since()}
        return tuple(
            name for name, since in busy_since.items() if since is not None and now - since > self._stalled_after_s
        )
