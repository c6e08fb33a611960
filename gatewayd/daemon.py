"""The composition root: every part is built, started and stopped here, in an order that fits on a screen."""

import asyncio
import random
import secrets
import signal
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from gatewayd import __version__
from gatewayd.admin.console import Console
from gatewayd.admin.server import AdminServer
from gatewayd.cloud.audience import Audience
from gatewayd.cloud.clock import CloudClock
from gatewayd.cloud.downlink import Downlink, Handlers
from gatewayd.cloud.edits import Edits
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.rest_uplink import RestUplink
from gatewayd.cloud.session import Account, Session
from gatewayd.cloud.sync.sync import Sync
from gatewayd.cloud.uplink import Uplink, last_will
from gatewayd.config import Settings
from gatewayd.firmware.watch import FirmwareWatch
from gatewayd.lifecycle import Notifier, Parts
from gatewayd.locks.events import LockEvents
from gatewayd.locks.keys import Keys
from gatewayd.model.errors import GatewayError
from gatewayd.model.event import AvailabilityChanged, DeviceReady, RadioEvent, RadioUp
from gatewayd.model.gateway import gateway_record
from gatewayd.model.outgoing import RecordDue
from gatewayd.model.record import LockParam
from gatewayd.model.words import Category, ExecType, Uuid
from gatewayd.store.key import load_key
from gatewayd.store.store import Store
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.intake import Intake
from gatewayd.zigbee.room import ZigbeeRoom

log = structlog.get_logger()

_IDENTITY = "gateway-uuid"


def now() -> datetime:
    """The board's clock."""
    return datetime.now(UTC)


def new_sn() -> str:
    """A serial number for what the gateway itself has to say."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class House:
    """The parts that work without the cloud: the store, the radio, the locks."""

    store: Store
    zigbee: ZigbeeRoom
    intake: Intake
    lock_events: LockEvents
    keys: Keys
    came_up: asyncio.Event
    locks_back: asyncio.Queue[Uuid]
    uuid: asyncio.Future[Uuid]
    """The gateway's: from the last run where there was one, else when the radio first answers."""


def build_house(settings: Settings, store: Store, chance: random.Random) -> House:
    """Wire the radio to the store, and the locks between them."""
    came_up = asyncio.Event()

    locks_back: asyncio.Queue[Uuid] = asyncio.Queue()

    def emit(event: RadioEvent) -> None:
        match event:
            case RadioUp():
                came_up.set()
            case DeviceReady(uuid=lock) | AvailabilityChanged(uuid=lock, online=True):
                locks_back.put_nowait(lock)
        intake.take(event)

    zigbee = ZigbeeRoom(
        settings.radio,
        settings.state_dir / "zigbee.db",
        Catalogue.shipped(),
        store.mirror,
        emit,
        now=now,
        zone=settings.zone,
        chance=chance,
    )
    lock_events = LockEvents(
        store.mirror,
        store.locks,
        store.facts,
        zigbee,
        all_kept=lambda: intake.drained(),  # noqa: PLW0108  (it is made below)
        now=now,
        zone=settings.zone,
        new_sn=new_sn,
    )
    intake = Intake(store.mirror, lock_words=lock_events.heard, new_sn=new_sn)
    keys = Keys(store.mirror, store.locks, zigbee, max_keys=settings.locks.max_keys)
    uuid: asyncio.Future[Uuid] = asyncio.get_running_loop().create_future()
    last = store.facts.get(_IDENTITY)
    if last is not None and store.mirror.get(Uuid(last.decode())) is not None:
        uuid.set_result(Uuid(last.decode()))
    return House(store, zigbee, intake, lock_events, keys, came_up, locks_back, uuid)


async def look_after_house(settings: Settings, house: House) -> None:
    """Whenever the radio comes up: say who the gateway is, and look after its locks."""
    store, zigbee = house.store, house.zigbee
    while True:
        await house.came_up.wait()
        house.came_up.clear()
        if (network := zigbee.network) is None:
            continue
        known = store.mirror.get(network.coordinator)
        record = gateway_record(settings.gateway.title, settings.gateway.type_sub, __version__, network, known)
        if record != known:
            await store.mirror.put(record, RecordDue(uuid=record.uuid))
        await store.facts.set(_IDENTITY, network.coordinator.encode())
        if not house.uuid.done():
            house.uuid.set_result(network.coordinator)
        elif house.uuid.result() != network.coordinator:
            log.error("coordinator_is_another", was=house.uuid.result(), found=network.coordinator, remedy="restart")
        for one in store.mirror.all():
            house.locks_back.put_nowait(one.uuid)


async def look_after_locks(house: House) -> None:
    """Whenever a lock can be spoken to again: hear what it did meanwhile, and finish what was begun with its keys."""
    while True:
        uuid = await house.locks_back.get()
        record = house.store.mirror.get(uuid)
        if record is None or not isinstance(record.param, LockParam):
            continue
        try:
            await house.lock_events.catch_up(uuid)
            await house.keys.settle(uuid)
        except GatewayError as error:
            log.warning("lock_not_settled", uuid=uuid, reason=str(error))


async def live_in_cloud(settings: Settings, password: str, house: House, clock: CloudClock, console: Console) -> None:
    """Everything that needs to know who the gateway is: waits for that, then runs uplink, downlink and session."""
    uuid = await house.uuid
    record = house.store.mirror.get(uuid)
    assert record is not None
    audience = Audience(settings.owner, house.store.mirror)
    downlink = Downlink(
        records=house.store.mirror,
        journal=house.store.journal,
        outbox=house.store.outbox,
        permissions=audience,
        handlers=handlers(house),
        cloud_now=clock.now,
        ttl=timedelta(seconds=settings.locks.command_ttl_s),
        zone=settings.zone,
        rights_changed=partial(look_up_rights, settings.owner, console),
    )
    uplink = Uplink(house.store.mirror, house.store.outbox, audience, settings.owner)
    account = Account(
        settings.mqtt.host,
        settings.mqtt.port,
        settings.cloud.username,
        password,
        uuid,
        settings.mqtt.keepalive_s,
        tls_context(settings),
    )
    will = last_will(record, settings.owner)
    session = Session(account, will, (uplink.serve, downlink.serve), chance=random.Random())  # noqa: S311  (jitter)
    console.session, console.downlink = session, downlink
    house.zigbee.refresh(await downlink.answer_unfinished())
    credentials = Credentials(settings.cloud.username, password, uuid, settings.cloud.register)
    transport = Transport(settings.cloud.base_url, tls=private_ca(settings), chance=random.Random())  # noqa: S311
    async with CloudClient.connect(transport, credentials) as client, asyncio.TaskGroup() as tasks:
        rest = RestUplink(client, house.store.mirror, house.store.outbox, now=now)
        sync = Sync(
            client,
            house.store.mirror,
            house.store.copies,
            audience,
            clock,
            interval_s=settings.cloud.sync_interval_s,
        )
        console.rest, console.sync = rest, sync
        firmware = FirmwareWatch(
            __version__, partial(latest_firmware, settings, client), settings.firmware.check_interval_s
        )
        console.firmware = firmware
        tasks.create_task(firmware.run(), name="firmware")
        tasks.create_task(sync.run(), name="sync")
        tasks.create_task(rest.run(), name="rest")
        tasks.create_task(downlink.run(), name="downlink")
        tasks.create_task(session.run(), name="session")


def look_up_rights(owner: str, console: Console, user: str) -> None:
    """Somebody says that rights have changed: what the owner's side says is looked up in the cloud, never believed."""
    if user == owner and console.sync is not None:
        console.sync.ask()


async def latest_firmware(settings: Settings, client: CloudClient) -> str:
    """The newest version for this kind of gateway."""
    return (await client.versions.latest(settings.firmware.device_type)).version


def handlers(house: House) -> Handlers:
    """Who carries out what: the whole table."""
    zigbee, keys, edits = house.zigbee, house.keys, Edits(house.store.mirror)
    return Handlers(
        by_category={
            (Category.GATEWAY, ExecType.CREATE): zigbee.permit,
            (Category.LOCK, ExecType.CREATE): keys.add,
            (Category.LOCK, ExecType.DELETE): lambda request: keys.remove_or(request, zigbee.delete),
        },
        default={
            ExecType.CONTROL: zigbee.control,
            ExecType.QUERY: zigbee.query,
            ExecType.DELETE: zigbee.delete,
            ExecType.UPDATE: edits.carry_out,
            ExecType.SET: edits.carry_out,
        },
    )


@asynccontextmanager
async def running(settings: Settings, password: str, environ: Mapping[str, str]) -> AsyncIterator[Console]:
    """The whole daemon, from the first part to the last; stopped in reverse when this is left."""
    chance = random.Random()  # noqa: S311  (jitter)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    key = load_key(Path(credentials) if credentials else None, settings.state_dir)
    async with Store.open(settings.state_dir / "gatewayd.db", now=now, zone=settings.zone, key=key) as store:
        house = build_house(settings, store, chance)
        await house.lock_events.remember(one.uuid for one in store.mirror.all() if isinstance(one.param, LockParam))
        clock = CloudClock(asyncio.get_running_loop().time)
        console = Console(store, house.zigbee, owner=settings.owner, started=now())
        server = AdminServer(Path(settings.admin.socket), console.methods())
        async with server.listening(), asyncio.TaskGroup() as tasks:
            parts = Parts(tasks)
            parts.start("store", store.run())
            parts.start("intake", house.intake.run())
            parts.start("house", look_after_house(settings, house))
            parts.start("locks", look_after_locks(house))
            parts.start("zigbee", house.zigbee.run())
            parts.start("cloud", live_in_cloud(settings, password, house, clock, console))
            try:
                yield console
            finally:
                await house.intake.drained()
                await parts.stop()


async def serve(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    notifier = Notifier(environ)
    async with running(settings, password, environ):
        notifier.tell("READY=1")
        log.info("gatewayd_started", version=__version__, owner=settings.owner)
        await stop.wait()
        notifier.tell("STOPPING=1")
        log.info("gatewayd_stopping")
    log.info("gatewayd_stopped")


def private_ca(settings: Settings) -> ssl.SSLContext | None:
    """For HTTPS: the same private CA that MQTT trusts, where one is set."""
    return ssl.create_default_context(cafile=settings.mqtt.ca_file) if settings.mqtt.ca_file else None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The MQTT line's TLS, with a private CA where one is set."""
    if not settings.mqtt.tls:
        return None
    return ssl.create_default_context(cafile=settings.mqtt.ca_file or None)


def main(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """`gatewayd run`: on uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415  (an extra)
    except ImportError:
        asyncio.run(serve(settings, password, environ))
    else:
        uvloop.run(serve(settings, password, environ))
