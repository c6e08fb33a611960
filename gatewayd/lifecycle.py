"""Starting parts in order and stopping them in reverse; telling systemd about it (sd_notify, Type=notify)."""

import asyncio
import os
import socket
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

log = structlog.get_logger()

_TOLD_AGAIN_S = 0.5


class Parts:
    """The daemon's long-running parts: tasks of one TaskGroup, in the order they were started."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._group = tasks
        self._running: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Coroutine[Any, Any, None]) -> None:
        """Start a part. One that fails ends its TaskGroup, and with it the process: systemd starts it anew."""
        self._running.append(self._group.create_task(run, name=name))

    async def stop(self) -> None:
        """End every part, the last started first, each before the next."""
        for task in reversed(self._running):
            task.cancel()
            # A library may forget a cancellation (asyncio.wait_for did, before 3.12): then it is told again.
            while (await asyncio.wait({task}, timeout=_TOLD_AGAIN_S))[1]:
                log.warning("part_does_not_stop", part=task.get_name())
                task.cancel()
            log.debug("part_stopped", part=task.get_name())


class Notifier:
    """Says to systemd what state this service is in; says nothing where systemd did not start it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET")
        watchdog = environ.get("WATCHDOG_USEC")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(watchdog) / 1e6 if watchdog and watched else None

    def tell(self, state: str) -> None:
        """Send `state` ("READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…"); see sd_notify(3)."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            try:
                line.sendto(state.encode(), address)
            except OSError as error:
                log.warning("systemd_not_told", state=state, reason=str(error))
