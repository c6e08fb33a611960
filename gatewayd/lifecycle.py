"""Starts parts in order, starts anew those that fail, stops them in reverse; ends the process in bounded time; notifies
systemd (sd_notify(3), Type=notify).
"""

import asyncio
import faulthandler
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.model.errors import GatewayError

log = structlog.get_logger()

STOP_LIMIT_S: Final = 4.0
"""Seconds after which the process ends whatever it is doing: `systemctl stop` ends within 5 s."""

_ALARM_AFTER_LIMIT_S: Final = 0.5
_PARTS_LIMIT_S: Final = 3.0
"""For all parts together to stop, so that what they wrote is still flushed in time."""

_PART_LIMIT_S: Final = 1.5
_ABANDONED_AFTER_S: Final = 0.1
_RESTART: Final = Backoff(first_s=1.0, longest_s=60.0)
_STABLE_AFTER_S: Final = 60.0
"""A part that has run for so long since it was started anew is well again."""


class PartFailedError(GatewayError):
    """A part failed without which the daemon must not go on."""


@dataclass(slots=True)
class PartState:
    """A part's task, how often it was started anew, why, and when (by the event loop's clock)."""

    name: str
    restarts: int = 0
    reason: str = ""
    restarted_at: float = 0.0
    finish: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Parts:
    """The daemon's long-running parts. Use it as an async context manager: at its end they are stopped in reverse.

    A part that raises is started anew after a pause that grows while it keeps failing, and `troubles` says so. An
    essential part is one whose failure may leave the others with half of something (a transaction, a request): its
    failure ends the context, as a failed task ends its TaskGroup, with PartFailedError; `on_failure` is called first.
    """

    def __init__(self, chance: random.Random, on_failure: Callable[[], object] = lambda: None) -> None:
        self._chance = chance
        self._on_failure = on_failure
        self._parts: list[PartState] = []
        self._owner: asyncio.Task[object] | None = None
        self._failure: PartFailedError | None = None

    async def __aenter__(self) -> "Parts":
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        if (failure := self._failure) is not None:
            self._failure = None
            assert self._owner is not None
            if self._owner.uncancel() == 0:  # else somebody else has cancelled it too, and that goes on
                raise failure

    def start(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        *,
        essential: bool = False,
        finish: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Start a part: `run` is called, and called again where it raises. One that returns has done its work.

        `finish` is called when the parts that were started later have stopped, before `run` is cancelled: to do what
        those have still left.
        """
        part = PartState(name, finish=finish)
        part.task = asyncio.create_task(self._run(part, run, essential=essential), name=name)
        self._parts.append(part)

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why each part that is not well was started anew, and how often."""
        now = asyncio.get_running_loop().time()
        return {
            part.name: f"started anew {part.restarts} times, the last time because of {part.reason}"
            for part in self._parts
            if part.restarts and now - part.restarted_at < _STABLE_AFTER_S
        }

    async def _run(self, part: PartState, run: Callable[[], Awaitable[None]], *, essential: bool) -> None:
        clock = asyncio.get_running_loop().time
        retries = Retries(_RESTART, self._chance)
        while True:
            began = clock()
            try:
                await run()
            except Exception as error:
                if essential:
                    log.exception("essential_part_failed", part=part.name)
                    self._fail(PartFailedError(f"the part {part.name} failed: {_describe(error)}"))
                    return
                if clock() - began > _STABLE_AFTER_S:
                    retries.reset()
                pause_s = retries.next_pause_s()
                part.restarts, part.reason, part.restarted_at = part.restarts + 1, _describe(error), clock() + pause_s
                log.exception("part_failed", part=part.name, restarts=part.restarts, retry_in_s=round(pause_s, 1))
            else:
                return
            await asyncio.sleep(pause_s)

    def _fail(self, error: PartFailedError) -> None:
        if self._failure is None:
            self._failure = error
            self._on_failure()
            assert self._owner is not None
            self._owner.cancel()

    async def _stop(self) -> None:
        """Cancel every part and wait for its end, the last started first; what does not end in time is abandoned."""
        deadline = asyncio.get_running_loop().time() + _PARTS_LIMIT_S
        while self._parts:  # a part may still start another
            part = self._parts.pop()
            assert part.task is not None
            if part.finish is not None and not part.task.done():
                await _finish(part.name, part.finish, deadline)
            await _stop(part.task, deadline)
            log.debug("part_stopped", part=part.name)


async def _finish(name: str, finish: Callable[[], Awaitable[None]], deadline: float) -> None:
    try:
        async with asyncio.timeout(_limit_s(deadline)):
            await finish()
    except TimeoutError:
        log.error("part_not_finished", part=name, reason="not in time")  # noqa: TRY400
    except Exception:
        log.exception("part_not_finished", part=name)


def _limit_s(deadline: float) -> float:
    """How long one part may take to stop."""
    return max(_ABANDONED_AFTER_S, min(deadline - asyncio.get_running_loop().time(), _PART_LIMIT_S))


async def _stop(task: asyncio.Task[None], deadline: float) -> None:
    for limit_s in (_limit_s(deadline), _ABANDONED_AFTER_S):
        task.cancel()
        await asyncio.wait({task}, timeout=limit_s)
        if task.done():
            return
    log.error("part_abandoned", part=task.get_name(), at=str(task.get_stack(limit=1)))


def _describe(error: BaseException) -> str:
    """The error that is at the bottom of the groups it is in, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]


def end_within(seconds: float = STOP_LIMIT_S) -> None:
    """End this process at the latest in `seconds`, with exit status 1, whatever it does then and whoever blocks it.

    A loop that is blocked, a thread of a library that waits for a name server, a disk that does not answer: none can
    delay this. Where every thread is goes to stderr; where that blocks too, the kernel's alarm ends the process.
    Nothing that is committed is lost. May be called from a signal handler.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    signal.setitimer(signal.ITIMER_REAL, seconds + _ALARM_AFTER_LIMIT_S)


def leave(status: int) -> NoReturn:
    """End this process now with this exit status: everything of ours is closed, and threads of libraries (a name
    look-up that nobody answers, a connection that is being made) are not waited for.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def become_new_process() -> NoReturn:
    """Start this program anew, as it was started, in this process (execve): nothing is closed in order, which is as
    safe as a crash. systemd sees the same service.
    """
    logging.shutdown()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  (our own arguments)


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
            datagrams.setblocking(False)  # a systemd that does not read must not stop the daemon
            try:
                datagrams.sendto(state.encode(), address)
            except OSError as error:
                log.warning("systemd_not_notified", state=state, reason=str(error))
