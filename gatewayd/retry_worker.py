"""Background jobs, one per key, attempted until they succeed.

`zigbee/device_setup.py` and `locks/reconciler.py` define what an attempt does; pauses come from `backoff`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, Literal, TypeVar

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.model.errors import GatewayError

log = structlog.get_logger()

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")


class _Nothing(Enum):
    """Stands for "no work", since `None` may be work."""

    NOTHING = 0


_NOTHING: Final = _Nothing.NOTHING


@dataclass(slots=True, eq=False)
class _Job(Generic[K, W]):
    """A key with work: `requested` by callers and not begun, `running` in the present attempt."""

    key: K
    retries: Retries
    requested: W | Literal[_Nothing.NOTHING] = _NOTHING
    running: W | Literal[_Nothing.NOTHING] = _NOTHING
    reset_pause: bool = False
    ignores_wakes_until: float = 0.0  # by the event loop's clock
    pause_ends: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class RetryWorker(Generic[K, W]):
    """Calls `attempt(key, work)` for each key with requested work: one attempt at a time for a key, any number of keys
    side by side (`attempt` may bound that with a semaphore).

    An attempt that raises GatewayError is made again after the pause that `backoff` gives; `on_failure` is called with
    the key, the work, the error and that pause in seconds. Any other exception is logged, and that work is given up: it
    is a bug, and repeating it would not help. Other keys, and later requests for the key, are not affected.

    `merge(requested, added)` combines work that is requested while other work of the key has not begun; without it the
    added replaces the requested. For `ignore_wakes_s` after a failure `wake` has no effect.
    """

    def __init__(
        self,
        name: str,
        attempt: Callable[[K, W], Awaitable[object]],
        backoff: Backoff,
        *,
        on_failure: Callable[[K, W, GatewayError, float], None],
        merge: Callable[[W, W], W] = lambda _requested, added: added,
        ignore_wakes_s: float = 0.0,
    ) -> None:
        self._name = name
        self._attempt = attempt
        self._backoff = backoff
        self._on_failure = on_failure
        self._merge = merge
        self._ignore_wakes_s = ignore_wakes_s
        self._jobs: dict[K, _Job[K, W]] = {}
        self._new: asyncio.Queue[_Job[K, W]] = asyncio.Queue()

    def request(self, key: K, work: W, *, reset_pause: bool = False) -> None:
        """Have `work` done for `key` as soon as possible: now, or after the present attempt; a pause ends early.

        With `reset_pause` the next failure counts as the first.
        """
        if (job := self._jobs.get(key)) is None:
            job = self._jobs[key] = _Job(key, Retries(self._backoff))
            self._new.put_nowait(job)
        self._add(job, work)
        job.reset_pause |= reset_pause
        job.pause_ends.set()

    def running(self, key: K) -> W | None:
        """The work of the present attempt for `key`; None where there is none."""
        job = self._jobs.get(key)
        return None if job is None or job.running is _NOTHING else job.running

    def wake(self, key: K) -> None:
        """End the pause of `key`, where there is one: an attempt may succeed now. Cheap where there is none."""
        job = self._jobs.get(key)
        if job is not None and asyncio.get_running_loop().time() >= job.ignores_wakes_until:
            job.pause_ends.set()

    def drop(self, key: K) -> None:
        """Forget the work of `key`, and cancel its attempt."""
        job = self._jobs.pop(key, None)
        if job is not None and job.task is not None:
            job.task.cancel()

    async def run(self) -> None:
        """Do what is requested, until cancelled; that cancels the attempts."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                job = await self._new.get()
                if self._jobs.get(job.key) is job:
                    job.task = tasks.create_task(self._run_job(job), name=f"{self._name}-{job.key}")

    async def _run_job(self, job: _Job[K, W]) -> None:
        try:
            while job.requested is not _NOTHING:
                await self._run_attempt(job, job.requested)
        finally:
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]

    async def _run_attempt(self, job: _Job[K, W], work: W) -> None:
        """One attempt and, where it fails, the pause after it."""
        if job.reset_pause:
            job.retries.reset()
            job.reset_pause = False
        job.requested, job.running = _NOTHING, work
        job.pause_ends.clear()
        try:
            await self._attempt(job.key, work)
        except GatewayError as error:
            job.running = _NOTHING
            self._add(job, work)
            job.ignores_wakes_until = asyncio.get_running_loop().time() + self._ignore_wakes_s
            pause_s = job.retries.next_pause_s()
            self._on_failure(job.key, work, error, pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await job.pause_ends.wait()
        except Exception:
            job.running = _NOTHING
            log.exception("attempt_crashed", worker=self._name, key=str(job.key), work=str(work))
        else:
            job.running = _NOTHING
            job.retries.reset()

    def _add(self, job: _Job[K, W], work: W) -> None:
        job.requested = work if job.requested is _NOTHING else self._merge(job.requested, work)
