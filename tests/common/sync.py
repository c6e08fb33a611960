"""A gateway's mirror and outbox on disk, the simulated cloud over HTTP, and what brings the two to agree."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.cloud.access_control import AccessControl
from gatewayd.cloud.clock import CloudClock
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.rest.batch import BatchPart
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.sync.sync import Sync
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import GatewayParam, LockParam, Record, SensorParam
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.store.store import Store
from tests.common.rest import connected

OWNER, GUEST, STRANGER, PASSWORD = "18900000001", "18900000002", "18900000003", "open-sesame-7"
GATEWAY, DOOR, AIR = Uuid("00158d0000d04700"), Uuid("00158d0003b00001"), Uuid("00158d0004c00001")


ZONE = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Both:
    """Both ends, and the parts between them."""

    cloud: SimulatedCloud
    store: Store
    client: CloudClient
    access: AccessControl
    sync: Sync
    sender: RestSender

    async def synced(self) -> dict[str, str | None]:
        """After one more sync: each section's error."""
        wanted = self.sync.ask()
        async with asyncio.timeout(30):
            while self.sync.progress.number < wanted or self.sync.progress.running:
                await asyncio.sleep(0.005)
        return {step.name: step.error for step in self.sync.progress.steps}

    async def drained(self) -> None:
        """Until the cloud has heard everything."""
        async with asyncio.timeout(30):
            while any((await self.store.outbox.depth()).values()):
                await asyncio.sleep(0.005)

    def mine(self, uuid: Uuid) -> Record:
        record = self.store.mirror.get(uuid)
        assert record is not None
        return record

    def theirs(self, uuid: Uuid) -> dict[str, object]:
        (found,) = [record for record in self.cloud.records(OWNER) if record["uuid"] == uuid]
        return found


RECORDS = (
    Record(uuid=GATEWAY, category=Category.GATEWAY, type_sub="AA01GW-UG", title="网关", param=GatewayParam()),
    Record(uuid=DOOR, category=Category.LOCK, type_sub="AA02SL-HE", title="门", param=LockParam(status=1, battery=80)),
    Record(uuid=AIR, category=Category.SENSOR, title="空气", param=SensorParam(status=1, temperature=21.5)),
)


@asynccontextmanager
async def both_ends(
    folder: Path,
    *,
    with_records: bool = True,
    board_now: Callable[[], datetime] = now,
    record_interval: timedelta = timedelta(),
    login_pause_s: float = 30.0,
) -> AsyncIterator[Both]:
    """Everything running; the mirror's records on their way to the cloud. `board_now` is the board's clock."""
    async with (
        SimulatedCloud(now=now, shows_member_ids=True).serve() as cloud,
        Store.open(folder / "house.db", now=board_now, zone=ZONE, key=bytes(32)) as store,
    ):
        for user in (OWNER, GUEST, STRANGER):
            cloud.register(user, PASSWORD)
        for record in RECORDS if with_records else ():
            await store.mirror.put(record, RecordItem(uuid=record.uuid))
        transport = Transport(cloud.base_url, chance=random.Random(1), first_pause_s=0.01)
        who = Credentials(OWNER, PASSWORD)
        connecting = CloudClient.connect(transport, who, login_pause_s=login_pause_s)
        async with connecting as client, asyncio.TaskGroup() as tasks:
            access = AccessControl(OWNER, store.mirror)
            clock = CloudClock(asyncio.get_running_loop().time)
            sync = Sync(client, store.mirror, store.copies, access, clock, interval_s=3600)
            sender = RestSender(
                client, store.mirror, store.outbox, now=board_now, record_interval=record_interval, probe_every_s=0.5
            )
            parts = [tasks.create_task(part) for part in (store.run(), sender.run(), sync.run())]
            yield Both(cloud, store, client, access, sync, sender)
            for part in reversed(parts):
                part.cancel()


async def edit_there(both: Both, uuid: Uuid, **fields: Any) -> None:
    """What the app does: says a few fields of a record."""
    async with connected(both.cloud, username=OWNER, password=PASSWORD) as app:
        await app.batch.send_alone(part_of(both.mine(uuid), fields))


async def member_of_the_home(both: Both, user: str) -> int:
    """Make `user` a member of the owner's home, as the app does; his id."""
    async with connected(both.cloud, username=user, password=PASSWORD) as app:
        user_id = (await app.accounts.profile()).id
    home_id = await home_of(both.client)
    member = await both.client.members.create(Member(home_id=home_id, title="邻居"))
    await both.client.members.update(replace(member, user_id=user_id))
    return user_id


def part_of(record: Record, fields: dict[str, Any]) -> BatchPart:
    return BatchPart(name="records.update", about=fields, id=record.id)


async def home_of(client: CloudClient) -> int:
    async for home in client.homes.list():
        if home.id is not None:
            return home.id
    raise AssertionError("no home")
