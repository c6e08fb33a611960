"""Builds the parts that need no cloud: the radio, what records its events, the locks, the command executor."""

import asyncio
import random
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from gatewayd import __version__
from gatewayd.cloud.access_control import AccessControl
from gatewayd.commands.executor import CommandExecutor
from gatewayd.commands.handlers import Handlers, handle
from gatewayd.commands.record_edits import RecordEdits
from gatewayd.config import Settings
from gatewayd.locks.events import LockEvents
from gatewayd.locks.pin_codes import PinCodes
from gatewayd.locks.reconciler import LockReconciler
from gatewayd.model.api_time import UnsureDate
from gatewayd.model.errors import StoreError
from gatewayd.model.event import (
    AvailabilityChanged,
    DeviceReady,
    LockAlarm,
    LockEvent,
    LockProgrammed,
    RadioDown,
    RadioEvent,
    RadioUp,
)
from gatewayd.model.gateway import build_gateway_record
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import LockParam, Record
from gatewayd.model.request import (
    AddKey,
    OperateCurtain,
    OperateLock,
    OperateSwitch,
    PermitJoin,
    Query,
    RemoveDevice,
    RemoveKey,
    UpdateRecord,
)
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock, read_lower_bound
from gatewayd.wiring.dating import Dating
from gatewayd.wiring.gateway_health import GatewayHealth
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.controller import ZigbeeController
from gatewayd.zigbee.event_recorder import EventRecorder

log = structlog.get_logger()

_UUID_FACT: Final = "gateway-uuid"
_RETRY_S: Final = 10.0


def new_sn() -> str:
    """A serial number (`sn`) for a message that answers no request."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class LocalServices:
    """The parts that need no cloud. `came_up` is set each time the radio comes up."""

    store: Store
    zigbee: ZigbeeController
    recorder: EventRecorder
    lock_events: LockEvents
    pin_codes: PinCodes
    lock_reconciler: LockReconciler
    access: AccessControl
    clock: BestClock
    dating: Dating
    executor: CommandExecutor
    health: GatewayHealth
    came_up: asyncio.Event
    uuid: asyncio.Future[Uuid]
    """The gateway's uuid: that of the last run, else that of the coordinator once the radio is up."""

    def record(self) -> Record | None:
        """The gateway's own record (§12.1); None while its uuid is not known."""
        return self.store.mirror.get(self.uuid.result()) if self.uuid.done() else None


def build_local_services(
    settings: Settings, store: Store, clock: BestClock, folder: Path, chance: random.Random
) -> LocalServices:
    """Build the parts over `store`, with zigpy's database in `folder`; nothing runs yet.

    Raises ConfigError for a catalogue that cannot be read.
    """
    came_up = asyncio.Event()
    clock.set_lower_bound(read_lower_bound(store.facts))

    def emit(event: RadioEvent) -> None:
        match event:
            case RadioUp():
                came_up.set()
            case DeviceReady(uuid=lock) | AvailabilityChanged(uuid=lock, online=True) if zigbee.is_lock(lock):
                lock_reconciler.request(lock)
        if isinstance(event, RadioUp | RadioDown):
            health.note_change()
        recorder.handle(with_unsureness(event, clock.unsure()))

    zigbee = ZigbeeController(
        settings.radio,
        folder / "zigbee.db",
        Catalogue.load(settings.radio.catalogue),
        store.mirror,
        store.facts,
        emit,
        now=clock.now,
        zone=settings.zone,
        chance=chance,
    )
    health = GatewayHealth(store, zigbee.radio.up.is_set)
    lock_events = LockEvents(
        store.mirror,
        store.locks,
        store.facts,
        zigbee,
        flush_notifications=lambda lock, logged: recorder.flush_lock(lock, logged),  # noqa: PLW0108  (it is made below)
        now=clock.now,
        correction=clock.correction,
        zone=settings.zone,
        new_sn=new_sn,
    )
    recorder = EventRecorder(
        store.mirror,
        record_lock_notification=lock_events.record,
        new_sn=new_sn,
        on_lost=lambda lock: lock_reconciler.request(lock),  # noqa: PLW0108  (it is made below)
    )
    pin_codes = PinCodes(
        store.mirror,
        store.locks,
        zigbee,
        max_keys=settings.locks.max_keys,
        on_unfinished=lambda lock: lock_reconciler.request(lock),  # noqa: PLW0108  (it is made below)
    )

    async def reconcile(uuid: Uuid) -> None:
        if zigbee.is_lock(uuid):
            await lock_events.recover_missed(uuid)
            await pin_codes.remove_unfinished(uuid)

    lock_reconciler = LockReconciler(reconcile)
    uuid: asyncio.Future[Uuid] = asyncio.get_running_loop().create_future()
    last_uuid = store.facts.get(_UUID_FACT)
    if last_uuid is not None and store.mirror.get(Uuid(last_uuid.decode())) is not None:
        uuid.set_result(Uuid(last_uuid.decode()))
    access = AccessControl(
        settings.owner,
        store.mirror,
        store.facts,
        clock,
        grants_valid=timedelta(seconds=settings.cloud.grants_valid_s),
    )
    executor = CommandExecutor(
        records=store.mirror,
        journal=store.journal,
        outbox=store.outbox,
        permissions=access,
        handlers=build_handlers(zigbee, pin_codes, RecordEdits(store.mirror)),
        clock=clock,
        ttl=timedelta(seconds=settings.locks.command_ttl_s),
    )
    dating = Dating(clock, store, settings.zone)
    return LocalServices(
        store,
        zigbee,
        recorder,
        lock_events,
        pin_codes,
        lock_reconciler,
        access,
        clock,
        dating,
        executor,
        health,
        came_up,
        uuid,
    )


def with_unsureness(event: RadioEvent, unsure: UnsureDate | None) -> RadioEvent:
    """`event`, which was dated just now; a lock's with what goes with a date by no right clock."""
    if unsure is None or not isinstance(event, LockEvent | LockProgrammed | LockAlarm):
        return event
    return replace(event, unsure=unsure)


async def run_local_services(settings: Settings, local: LocalServices) -> None:
    """Each time the radio comes up: write the gateway's own record, set its uuid, and have its locks reconciled."""
    store, zigbee = local.store, local.zigbee
    if zigbee.network is not None:  # this part failed and is started anew
        local.came_up.set()
    while True:
        await local.came_up.wait()
        local.came_up.clear()
        if (network := zigbee.network) is None:
            continue
        previous = store.mirror.get(network.coordinator)
        record = build_gateway_record(settings.gateway.title, settings.gateway.type_sub, __version__, network, previous)
        try:
            if record != previous:
                await store.mirror.put(record, RecordItem(uuid=record.uuid))
            await store.facts.set(_UUID_FACT, network.coordinator.encode())
        except StoreError as error:
            log.error("gateway_record_not_written", reason=str(error), retry_in_s=_RETRY_S)  # noqa: TRY400
            local.came_up.set()
            await asyncio.sleep(_RETRY_S)
            continue
        if not local.uuid.done():
            local.uuid.set_result(network.coordinator)
        elif local.uuid.result() != network.coordinator:
            log.error("coordinator_changed", was=local.uuid.result(), found=network.coordinator, remedy="restart")
        for record in store.mirror.all():
            if isinstance(record.param, LockParam):
                local.lock_reconciler.request(record.uuid)


def build_handlers(zigbee: ZigbeeController, pin_codes: PinCodes, edits: RecordEdits) -> Handlers:
    """Which part executes which action."""
    return Handlers(
        (
            handle(PermitJoin, zigbee.permit),
            handle(OperateSwitch, zigbee.operate),
            handle(OperateLock, zigbee.operate),
            handle(OperateCurtain, zigbee.operate),
            handle(Query, zigbee.query),
            handle(RemoveDevice, zigbee.delete),
            handle(AddKey, pin_codes.add),
            handle(RemoveKey, pin_codes.remove),
            handle(UpdateRecord, edits.update),
        )
    )
