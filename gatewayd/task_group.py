"""A replacement of `asyncio.TaskGroup` for Python before 3.13, whose own loses a cancellation that comes as a task of
the group fails.

A broker that stops in the same moment as the daemon does this: the session's group raises the broker's error alone, the
session reconnects, and the daemon waits for it for ever. Libraries and every part of ours are to find the mended one,
so it is replaced where they look for it, as `wait_for` is.
"""

import asyncio
import sys
from types import TracebackType

_MENDED_IN = (3, 13)


class CancellableTaskGroup(asyncio.TaskGroup):
    """As `asyncio.TaskGroup`; a cancellation from outside is raised even if tasks of the group have failed."""

    _parent_cancel_requested: bool

    async def __aenter__(self) -> "CancellableTaskGroup":
        self._cancellations_before = _cancellations()
        await super().__aenter__()
        return self

    async def __aexit__(
        self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        has_cancelled_itself = self._parent_cancel_requested
        try:
            await super().__aexit__(et, exc, tb)
        except BaseExceptionGroup as errors:
            if self._is_cancelled(has_cancelled_itself):
                raise asyncio.CancelledError from errors
            raise
        if self._is_cancelled(has_cancelled_itself):
            raise asyncio.CancelledError

    def _is_cancelled(self, has_cancelled_itself: bool) -> bool:
        """Whether its task was cancelled from outside. The group's own cancellation, for a task that failed while the
        group waited for its end, is still counted before Python 3.13; it is taken back here.
        """
        if self._parent_cancel_requested and not has_cancelled_itself and (task := asyncio.current_task()) is not None:
            task.uncancel()
        return _cancellations() > self._cancellations_before


def replace_task_group() -> None:
    """Replace `asyncio.TaskGroup` in this process where Python's own is not mended; called before any task runs."""
    if sys.version_info < _MENDED_IN:
        vars(asyncio)["TaskGroup"] = CancellableTaskGroup


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
