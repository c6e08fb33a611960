"""The zigbee room on the real bellows, a simulated coordinator and a store on disk."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.commands.handlers import Handlers, handle
from gatewayd.config import RadioSettings
from gatewayd.model.event import LockNotification, RadioEvent
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.record import Record
from gatewayd.model.request import Action, Answer, OperateCurtain, OperateSwitch, Query, RemoveDevice, Request
from gatewayd.simulator.radio import Device, SimulatedNetwork
from gatewayd.store.store import Store
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.controller import ZigbeeController
from gatewayd.zigbee.event_recorder import EventRecorder

COORDINATOR = "00158d0000d04700"


@dataclass
class ZigbeeGateway:
    """The room, running, with what it said."""

    network: SimulatedNetwork
    store: Store
    zigbee: ZigbeeController
    words: list[LockNotification] = field(default_factory=list)
    events: list[RadioEvent] = field(default_factory=list)
    on_event: list[Callable[[RadioEvent], None]] = field(default_factory=list)

    async def take_in(self, device: Device) -> Record:
        """Let a device join, and wait until it is set up."""
        await self.zigbee.permit_join(60)
        await self.network.join(device)
        uuid = Uuid(device.ieee)
        await self.until(lambda: any(getattr(event, "uuid", None) == uuid for event in self.ready))
        record = self.store.mirror.get(uuid)
        assert record is not None
        return record

    @property
    def ready(self) -> list[RadioEvent]:
        return [event for event in self.events if type(event).__name__ == "DeviceReady"]

    def record(self, device: Device) -> Record:
        record = self.store.mirror.get(Uuid(device.ieee))
        assert record is not None
        return record

    async def ask(self, device: Device, category: Category, exectype: ExecType, action: Action) -> Answer:
        request = Request("owner", category, Uuid(device.ieee), exectype, "sn", action)
        handlers = Handlers(
            (
                handle(OperateSwitch, self.zigbee.operate),
                handle(OperateCurtain, self.zigbee.operate),
                handle(Query, self.zigbee.query),
                handle(RemoveDevice, self.zigbee.delete),
            )
        )
        return await handlers.execute(request)

    async def until(self, true: Callable[[], bool], patience_s: float = 40) -> None:
        async with asyncio.timeout(patience_s):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    network: SimulatedNetwork, url: str, folder: Path, own_rows: str = ""
) -> AsyncIterator[ZigbeeGateway]:
    """The room on the coordinator at `url`; `own_rows` is a catalogue file."""
    zone = ZoneInfo("Asia/Shanghai")

    def now() -> datetime:
        return datetime.now(UTC)

    async with Store.open(folder / "house.db", now=now, zone=zone, key=bytes(32)) as store:
        words: list[LockNotification] = []
        events: list[RadioEvent] = []
        on_event: list[Callable[[RadioEvent], None]] = []

        async def heard(word: LockNotification) -> None:
            words.append(word)

        recorder = EventRecorder(store.mirror, lock_words=heard, new_sn=lambda: "sn")

        def emit(event: RadioEvent) -> None:
            events.append(event)
            for heard in on_event:
                heard(event)
            recorder.take(event)

        zigbee = ZigbeeController(
            RadioSettings(path=url),
            folder / "zigbee.db",
            Catalogue.load(own_rows),
            store.mirror,
            store.facts,
            emit,
            now=now,
            zone=zone,
            chance=random.Random(1),
        )
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(part) for part in (store.run(), recorder.run(), zigbee.run())]
            yield ZigbeeGateway(network, store, zigbee, words, events, on_event)
            for part in reversed(parts):
                part.cancel()
                await asyncio.wait({part})
