"""A host as gatewayd's own: the unmodified bellows on the simulated coordinator, and what it hears."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bellows.zigbee.application import ControllerApplication

from gatewayd.simulator.radio import Device, SimulatedNetwork

PATIENCE_S = 20.0
"""Against hanging only: nothing here takes this long."""


class Ear:
    """Listens to zigpy and lets a test wait for what it heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self._news = asyncio.Event()

    def note(self, what: str, *facts: Any) -> None:
        self.heard.append((what, facts))
        self._news.set()

    def device_joined(self, device: Any) -> None:
        self.note("joined", str(device.ieee).replace(":", ""))

    def device_initialized(self, device: Any) -> None:
        self.note("initialized", str(device.ieee).replace(":", ""))

    def device_left(self, device: Any) -> None:
        self.note("left", str(device.ieee).replace(":", ""))

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("connection_lost", exc)

    def cluster_command(self, tsn: int, command: int, args: Any) -> None:
        self.note("command", command, args)

    def count(self, what: str) -> int:
        return sum(1 for kind, _ in self.heard if kind == what)

    def all(self, what: str) -> list[tuple[Any, ...]]:
        return [facts for kind, facts in self.heard if kind == what]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


class Host:
    """bellows, started, with an ear on it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.ear = Ear()
        app.add_listener(self.ear)

    def device(self, device: Device) -> Any:
        return next(one for one in self.app.devices.values() if str(one.ieee).replace(":", "") == device.ieee)

    async def take_in(self, network: SimulatedNetwork, device: Device) -> Any:
        """Permit joining, let the device join, and wait until it is interviewed."""
        before = self.ear.count("initialized")
        await self.app.permit(60)
        await network.join(device)
        await self.ear.until(lambda: self.ear.count("initialized") > before)
        return self.device(device)

    async def listen_to(self, cluster: Any, attribute: int, minimum: int, maximum: int, change: int) -> None:
        """Bind, configure reporting, and note each report as ("report", attribute, value)."""
        cluster.on_event("attribute_report", lambda event: self.ear.note("report", event.attribute_id, event.raw_value))
        await cluster.bind()
        await cluster.configure_reporting(attribute, minimum, maximum, change)

    def reports(self) -> list[int]:
        return [value for _, value in self.ear.all("report")]


@asynccontextmanager
async def bellows_on(path: str, database: str | None = None) -> AsyncIterator[Host]:
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
        yield Host(app)
    finally:
        await app.shutdown()
