"""MQTT session, executor and store of a gateway on a real Mosquitto, and an app. A handler stands for the radio."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, get_args
from zoneinfo import ZoneInfo

from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.message_limit import MessageLimit
from gatewayd.cloud.mqtt.publisher import MqttPublisher, last_will
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttAccount, MqttSession
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.commands.executor import DEADLINE_S, CommandExecutor
from gatewayd.commands.handlers import Entry, Handlers, handle
from gatewayd.commands.record_edits import RecordEdits
from gatewayd.model.ids import Category, Sn, Uuid
from gatewayd.model.permission import Permission
from gatewayd.model.record import Channel, GatewayParam, LockParam, Record, SwitchParam
from gatewayd.model.request import Action, Answer, Request, UpdateRecord
from gatewayd.model.status import OperationStatus
from gatewayd.store.store import Store
from gatewayd.trusted_time import boottime_s
from tests.common.clock import HandClock

OWNER, GUEST, PASSWORD = "18900000001", "18900000002", "open-sesame-7"
GATEWAY, SWITCH, LOCK = Uuid("00158d0000d04700"), Uuid("00158d0002a00001"), Uuid("00158d0003b00001")


ZONE = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Bench:
    """The handler that stands for the radio: it counts requests, and waits at `gate`."""

    store: Store
    ran: list[Sn] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failing: Exception | None = None
    access_changed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    async def note_access_change(self, topic: Topic) -> bool:
        self.access_changed.append(topic.user)
        return topic.user == OWNER

    async def execute(self, request: Request, _action: Action) -> Answer:
        self.ran.append(request.sn)
        await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        return Answer(OperationStatus.CONTROLLED, self.store.mirror.get(request.uuid))


class Audience:
    """The owner may everything, the guest query, others nothing."""

    version = 0

    def topic_users(self, uuid: Uuid) -> tuple[str, ...]:
        return (OWNER, GUEST)

    async def next_version(self, version: int) -> int:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it: what users may do does not change here")

    def level(self, user: str, uuid: Uuid) -> Permission:
        return {OWNER: Permission.DELETE, GUEST: Permission.QUERY}.get(user, Permission.NONE)

    def is_owner(self, user: str) -> bool:
        return user == OWNER


class Health:
    """A gateway that is well."""

    status = OperationStatus.NORMAL

    async def next_status(self, status: OperationStatus) -> OperationStatus:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it: the gateway stays well here")


class Endpoint(Protocol):
    """A broker, or a proxy before one."""

    host: str
    port: int


class Rights(Protocol):
    """Access control, as publisher and executor need it."""

    version: int

    def topic_users(self, uuid: Uuid) -> tuple[str, ...]: ...

    async def next_version(self, version: int) -> int: ...

    def level(self, user: str, uuid: Uuid) -> Permission: ...

    def is_owner(self, user: str) -> bool: ...


@dataclass
class Gateway:
    """The running parts."""

    store: Store
    bench: Bench
    session: MqttSession
    listener: RequestListener
    clock: HandClock


@asynccontextmanager
async def running(
    broker: Endpoint,
    path: Path,
    *,
    password: str = PASSWORD,
    records: Sequence[Record] = (),
    audience_of: Callable[[Store], Rights] = lambda _store: Audience(),
    deadline_s: float = DEADLINE_S,
    ack_timeout_s: float = 15.0,
    ttl_s: float = 30.0,
    boottime: Callable[[], float] = boottime_s,
) -> AsyncIterator[Gateway]:
    """A gateway that hosts a switch and a lock, and `records`, connected (or trying to)."""
    async with Store.open(path, now=now, zone=ZONE, key=bytes(32)) as store:
        gateway = Record(uuid=GATEWAY, category=Category.GATEWAY, title="网关", param=GatewayParam())
        if store.mirror.get(GATEWAY) is None:
            await store.mirror.put(gateway)
            channels = tuple(Channel(id=number, value=0) for number in (1, 2, 3))
            param = SwitchParam(status=1, channel=channels)
            await store.mirror.put(Record(uuid=SWITCH, category=Category.SWITCH, title="灯", param=param))
            await store.mirror.put(Record(uuid=LOCK, category=Category.LOCK, title="门", param=LockParam(status=1)))
        for record in records:
            await store.mirror.put(record)
        bench, access, clock = Bench(store), audience_of(store), HandClock()
        executor = CommandExecutor(
            records=store.mirror,
            journal=store.journal,
            outbox=store.outbox,
            permissions=access,
            handlers=Handlers(
                [
                    *(Entry(action, bench.execute) for action in get_args(Action)),
                    handle(UpdateRecord, RecordEdits(store.mirror).update),
                ]
            ),
            clock=clock,
            ttl=timedelta(seconds=ttl_s),
            deadline_s=deadline_s,
            boottime=boottime,
        )
        listener = RequestListener(executor.submit, zone=ZONE, access_changed=bench.note_access_change)
        incoming = IncomingLimit(MessageLimit(OWNER))
        publisher = MqttPublisher(store.mirror, store.outbox, access, store.facts, Health(), OWNER, incoming=incoming)
        account = MqttAccount(
            broker.host,
            broker.port,
            OWNER,
            password,
            GATEWAY,
            ack_timeout_s=ack_timeout_s,
            probe_every_s=ttl_s / 2,
        )
        session = MqttSession(
            account,
            last_will(gateway, OWNER),
            (publisher.serve, listener.serve),
            incoming=incoming,
            chance=random.Random(1),
        )
        await executor.answer_unfinished()
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(part) for part in (store.run(), executor.run(), session.run())]
            yield Gateway(store, bench, session, listener, clock)
            for part in reversed(parts):
                part.cancel()
