"""Starts parts in order and stops them in reverse; notifies systemd (sd_notify(3), Type=notify)."""

import asyncio
import os
import socket
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

log = structlog.get_logger()

_CANCEL_AGAIN_S = 0.5


class Parts:
    """The daemon's long-running parts: tasks of one TaskGroup, in the order they were started."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._group = tasks
        self._running: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Coroutine[Any, Any, None]) -> None:
        """Start a part. If it fails, its TaskGroup ends and with it the process, which systemd starts anew."""
        self._running.append(self._group.create_task(run, name=name))

    async def stop(self) -> None:
        """Cancel every part and wait for its end, the last started first."""
        for task in reversed(self._running):
            task.cancel()
            # A library may lose a cancellation (asyncio.wait_for did before Python 3.12): cancel it again.
            while (await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S))[1]:
                log.warning("part_cancelled_again", part=task.get_name())
                task.cancel()
            log.debug("part_stopped", part=task.get_name())


class Notifier:
    """Notifies systemd of the service's state; does nothing where systemd did not start it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET")
        watchdog = environ.get("WATCHDOG_USEC")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(watchdog) / 1e6 if watchdog and watched else None

    def notify(self, state: str) -> None:
        """Send `state` ("READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…"); see sd_notify(3)."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagrams:
            try:
                datagrams.sendto(state.encode(), address)
            except OSError as error:
                log.warning("systemd_not_notified", state=state, reason=str(error))
