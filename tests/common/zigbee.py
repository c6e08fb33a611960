"""The zigbee package on the real bellows, a simulated coordinator and a store on disk."""

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
from gatewayd.model.event import DeviceReady, LockAlarm, LockEvent, LockNotification, RadioEvent
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.record import Record
from gatewayd.model.request import (
    Action,
    Answer,
    OperateCurtain,
    OperateLock,
    OperateSwitch,
    Query,
    RemoveDevice,
    Request,
)
from gatewayd.simulator.radio import Device, SimulatedNetwork
from gatewayd.store.store import Store
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.controller import ZigbeeController
from gatewayd.zigbee.event_recorder import EventRecorder

COORDINATOR = "00158d0000d04700"


@dataclass
class ZigbeeGateway:
    """A running controller with its store, and what it emitted. Each of `on_event` is called with every event."""

    network: SimulatedNetwork
    store: Store
    zigbee: ZigbeeController
    lock_notifications: list[LockNotification] = field(default_factory=list)
    events: list[RadioEvent] = field(default_factory=list)
    on_event: list[Callable[[RadioEvent], None]] = field(default_factory=list)

    async def join(self, device: Device) -> Record:
        """Let a device join, and wait until it is set up."""
        await self.zigbee.permit_join(60)
        await self.network.join(device)
        await self.until(lambda: any(event.uuid == device.ieee for event in self.ready))
        return self.record(device)

    @property
    def ready(self) -> list[DeviceReady]:
        return [event for event in self.events if isinstance(event, DeviceReady)]

    @property
    def lock_events(self) -> list[LockEvent]:
        return [event for event in self.lock_notifications if isinstance(event, LockEvent)]

    @property
    def lock_alarms(self) -> list[LockAlarm]:
        return [event for event in self.lock_notifications if isinstance(event, LockAlarm)]

    def record(self, device: Device) -> Record:
        record = self.store.mirror.get(Uuid(device.ieee))
        assert record is not None
        return record

    def has_record(self, device: Device) -> bool:
        return self.store.mirror.get(Uuid(device.ieee)) is not None

    def is_online(self, device: Device) -> bool:
        return getattr(self.record(device).param, "status", None) == 1

    async def execute(
        self, device: Device, category: Category, exectype: ExecType, action: Action, *, within_s: float | None = None
    ) -> Answer:
        """Execute a request as the daemon does once it is admitted."""
        answer_by = None if within_s is None else asyncio.get_running_loop().time() + within_s
        request = Request(
            "owner", category, Uuid(device.ieee), exectype, "sn", action, identity=b"sn", answer_by=answer_by
        )
        handlers = Handlers(
            (
                handle(OperateSwitch, self.zigbee.operate),
                handle(OperateCurtain, self.zigbee.operate),
                handle(OperateLock, self.zigbee.operate),
                handle(Query, self.zigbee.query),
                handle(RemoveDevice, self.zigbee.delete),
            )
        )
        return await handlers.execute(request)

    async def until_up(self) -> None:
        """Wait until the coordinator is started."""
        await asyncio.wait_for(self.zigbee.radio.up.wait(), 20)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 40) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    network: SimulatedNetwork, url: str, folder: Path, catalogue: str = ""
) -> AsyncIterator[ZigbeeGateway]:
    """A controller on the coordinator at `url`; `catalogue` is a file of further rows."""
    zone = ZoneInfo("Asia/Shanghai")

    def now() -> datetime:
        return datetime.now(UTC)

    async with Store.open(folder / "gatewayd.db", now=now, zone=zone, key=bytes(32)) as store:
        lock_notifications: list[LockNotification] = []
        events: list[RadioEvent] = []
        on_event: list[Callable[[RadioEvent], None]] = []

        async def record_lock_notification(notification: LockNotification) -> None:
            lock_notifications.append(notification)

        recorder = EventRecorder(store.mirror, record_lock_notification=record_lock_notification, new_sn=lambda: "sn")

        def emit(event: RadioEvent) -> None:
            events.append(event)
            for callback in on_event:
                callback(event)
            recorder.handle(event)

        zigbee = ZigbeeController(
            RadioSettings(path=url),
            folder / "zigbee.db",
            Catalogue.load(catalogue),
            store.mirror,
            store.facts,
            emit,
            now=now,
            zone=zone,
            chance=random.Random(1),
        )
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(part) for part in (store.run(), recorder.run(), zigbee.run())]
            yield ZigbeeGateway(network, store, zigbee, lock_notifications, events, on_event)
            for part in reversed(parts):
                part.cancel()
                await asyncio.wait({part})
