"""How the gateway itself is, as its retained state tells the household (§9). Who publishes it is `cloud/mqtt`."""

import asyncio
from collections.abc import Callable

from gatewayd.model.status import OperationStatus
from gatewayd.store.disk_space import StoreProblem
from gatewayd.store.store import Store


def gateway_status(problem: StoreProblem | None, *, is_radio_up: bool) -> OperationStatus:
    """What the gateway's state is published with.

    A problem of the store comes first: that the radio is away stands in the record as well (`zgb_status`) and passes by
    itself, a full disk stands nowhere else and waits for somebody.
    """
    if problem is not None:
        return OperationStatus.LOCAL_STORAGE_ERROR
    return OperationStatus.NORMAL if is_radio_up else OperationStatus.ZIGBEE_NETWORK_ERROR


class GatewayHealth:
    """Follows the store and the radio. `run` is the one task that waits for the store's problem."""

    def __init__(self, store: Store, is_radio_up: Callable[[], bool]) -> None:
        self._store = store
        self._is_radio_up = is_radio_up
        self._changed = asyncio.Event()

    @property
    def status(self) -> OperationStatus:
        """How the gateway is now."""
        return gateway_status(self._store.problem, is_radio_up=self._is_radio_up())

    async def run(self) -> None:
        """Take note of the store's problems, until cancelled."""
        while True:
            await self._store.wait_problem_changed()
            self.note_change()

    def note_change(self) -> None:
        """The store's problem is another one, or the radio has come up or gone away."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def next_status(self, status: OperationStatus) -> OperationStatus:
        """Wait until the status is another than `status`, and return it. Any number of tasks may wait."""
        while self.status is status:
            await self._changed.wait()
        return self.status
