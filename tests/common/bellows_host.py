"""An EZSP host for the simulated coordinator: the unmodified bellows, and the events that it reports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bellows.zigbee.application import ControllerApplication

from gatewayd.simulator.radio import Device, SimulatedNetwork

TIMEOUT_S = 20.0
"""Against hanging only: nothing here takes this long."""


class ZigpyListener:
    """Records what zigpy reports, and lets a test wait for it. Some methods are named by zigpy."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self._recorded = asyncio.Event()

    def record(self, event: str, *facts: Any) -> None:
        self.events.append((event, facts))
        self._recorded.set()

    def device_joined(self, device: Any) -> None:
        self.record("joined", ieee_of(device))

    def device_initialized(self, device: Any) -> None:
        self.record("initialized", ieee_of(device))

    def device_left(self, device: Any) -> None:
        self.record("left", ieee_of(device))

    def connection_lost(self, exc: Exception | None) -> None:
        self.record("connection_lost", exc)

    def cluster_command(self, tsn: int, command: int, args: Any) -> None:
        self.record("command", command, args)

    def count(self, event: str) -> int:
        return len(self.all(event))

    def all(self, event: str) -> list[tuple[Any, ...]]:
        """The facts of every such event."""
        return [facts for name, facts in self.events if name == event]

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, which depends on recorded events, is true."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self._recorded.clear()
                await self._recorded.wait()


class BellowsHost:
    """bellows, started, with a listener."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.listener = ZigpyListener()
        app.add_listener(self.listener)

    def device(self, device: Device) -> Any:
        """zigpy's device for a simulated one."""
        return next(one for one in self.app.devices.values() if ieee_of(one) == device.ieee)

    async def join(self, network: SimulatedNetwork, device: Device) -> Any:
        """Permit joining, let the device join, and wait until it is interviewed; returns zigpy's device."""
        before = self.listener.count("initialized")
        await self.app.permit(60)
        await network.join(device)
        await self.listener.wait_until(lambda: self.listener.count("initialized") > before)
        return self.device(device)

    async def configure_reporting(self, cluster: Any, attribute: int, minimum: int, maximum: int, change: int) -> None:
        """Bind a cluster, configure reporting, and record each report as ("report", attribute, value)."""
        cluster.on_event(
            "attribute_report", lambda event: self.listener.record("report", event.attribute_id, event.raw_value)
        )
        await cluster.bind()
        await cluster.configure_reporting(attribute, minimum, maximum, change)

    def reports(self) -> list[int]:
        """The reported values."""
        return [value for _, value in self.listener.all("report")]


@asynccontextmanager
async def bellows_on(path: str, database: str | None = None) -> AsyncIterator[BellowsHost]:
    """bellows on the coordinator at `path` ("socket://host:port" or a serial port)."""
    app = await ControllerApplication.new(
        {
            "database_path": database,
            "device": {"path": path},
            "ota": {"enabled": False},
            "use_thread": False,
            "backup_enabled": False,
            "topology_scan_enabled": False,
        },
        auto_form=True,
    )
    try:
        yield BellowsHost(app)
    finally:
        await app.shutdown()


def ieee_of(device: Any) -> str:
    """A zigpy device's address as 16 hex digits."""
    return str(device.ieee).replace(":", "")
