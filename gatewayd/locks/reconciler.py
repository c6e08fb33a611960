"""Reconciles locks that can be reached again: reads the events that were missed, removes unfinished keys.

What is done for a lock is a parameter; `retry_worker` repeats it after a failure. A lock that does not answer does not
delay another.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gatewayd.backoff import Backoff
from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Uuid
from gatewayd.retry_worker import RetryWorker

log = structlog.get_logger()

_BACKOFF: Final = Backoff(first_s=30.0, longest_s=1800.0)

Reconcile = Callable[[Uuid], Awaitable[object]]
"""Reconciles one lock. Raises GatewayError where that cannot be done now."""


class LockReconciler:
    """Calls `reconcile` for each requested lock until it succeeds, one call at a time for a lock."""

    def __init__(self, reconcile: Reconcile, backoff: Backoff = _BACKOFF) -> None:
        self._worker: RetryWorker[Uuid, None] = RetryWorker(
            "lock-reconciler", lambda uuid, _work: reconcile(uuid), backoff, on_failure=_log_failure
        )

    def request(self, uuid: Uuid) -> None:
        """Reconcile this lock soon, once more where it is being done: it may be reachable again, or a key was left
        unfinished. Pauses start anew.
        """
        self._worker.request(uuid, None, reset_pause=True)

    async def run(self) -> None:
        """Reconcile requested locks until cancelled."""
        await self._worker.run()


def _log_failure(uuid: Uuid, _work: None, error: GatewayError, pause_s: float) -> None:
    log.warning("lock_not_reconciled", uuid=uuid, reason=str(error), retry_in_s=pause_s)
