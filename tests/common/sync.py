"""A gateway's store on disk, the simulated cloud over HTTP, and the parts that bring the two into agreement."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.backoff import Backoff
from gatewayd.cloud.access_control import AccessControl
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import LOGIN_BACKOFF, CloudClient
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.sync.sync import Sync
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import RecordItem
from gatewayd.model.record import GatewayParam, LockParam, Record, SensorParam
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock
from tests.common.rest import connect_client

OWNER, GUEST, PASSWORD = "18900000001", "18900000002", "open-sesame-7"
GATEWAY, LOCK, SENSOR = Uuid("00158d0000d04700"), Uuid("00158d0003b00001"), Uuid("00158d0004c00001")
RECORDS = (
    Record(uuid=GATEWAY, category=Category.GATEWAY, type_sub="AA01GW-UG", title="网关", param=GatewayParam()),
    Record(uuid=LOCK, category=Category.LOCK, type_sub="AA02SL-HE", title="门", param=LockParam(status=1, battery=80)),
    Record(uuid=SENSOR, category=Category.SENSOR, title="空气", param=SensorParam(status=1, temperature=21.5)),
)
ZONE = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class GatewayAndCloud:
    """The simulated cloud, the gateway's store, and the parts between them, running."""

    cloud: SimulatedCloud
    store: Store
    client: CloudClient
    access: AccessControl
    sync: Sync
    sender: RestSender

    async def run_sync(self) -> dict[str, str | None]:
        """Run the sync once more; returns the error of each section."""
        number = self.sync.request_run()
        async with asyncio.timeout(120):
            while self.sync.progress.number < number or self.sync.progress.running:
                await asyncio.sleep(0.005)
        return {step.name: step.error for step in self.sync.progress.steps}

    async def wait_until_sent(self) -> None:
        """Wait until the outbox is empty."""
        async with asyncio.timeout(120):
            while any((await self.store.outbox.depth()).values()):
                await asyncio.sleep(0.005)

    def local(self, uuid: Uuid) -> Record:
        """The record in the mirror."""
        record = self.store.mirror.get(uuid)
        assert record is not None
        return record

    def remote(self, uuid: Uuid) -> dict[str, Any]:
        """The record in the cloud, as JSON."""
        (record,) = [record for record in self.cloud.records(OWNER) if record["uuid"] == uuid]
        return record


@asynccontextmanager
async def gateway_and_cloud(
    folder: Path,
    *,
    with_records: bool = True,
    board_now: Callable[[], datetime] = now,
    record_interval: timedelta = timedelta(),
    login_backoff: Backoff = LOGIN_BACKOFF,
) -> AsyncIterator[GatewayAndCloud]:
    """A gateway with three records that are to be created in the cloud. `board_now` is the board's clock."""
    async with (
        SimulatedCloud(now=now, shows_member_ids=True).serve() as cloud,
        Store.open(folder / "gateway.db", now=board_now, zone=ZONE, key=bytes(32)) as store,
    ):
        for user in (OWNER, GUEST):
            cloud.register(user, PASSWORD)
        for record in RECORDS if with_records else ():
            await store.mirror.put(record, RecordItem(uuid=record.uuid))
        connecting = connect_client(cloud, OWNER, PASSWORD, login_backoff=login_backoff)
        async with connecting as client, asyncio.TaskGroup() as tasks:
            clock = BestClock()
            access = AccessControl(OWNER, store.mirror, store.facts, clock, grants_valid=timedelta(days=7))
            sync = Sync(client, store.mirror, store.cloud_cache, access, clock, interval_s=3600)
            sender = RestSender(client, store.mirror, store.outbox, record_interval=record_interval, probe_every_s=0.5)
            running = [tasks.create_task(part) for part in (store.run(), sender.run(), sync.run())]
            yield GatewayAndCloud(cloud, store, client, access, sync, sender)
            for task in reversed(running):
                task.cancel()


async def edit_in_app(both: GatewayAndCloud, uuid: Uuid, **fields: Any) -> None:
    """Update a few fields of a record in the cloud, as the owner's app does."""
    async with connect_client(both.cloud, OWNER, PASSWORD) as app:
        await app.batch.send_one(RestCall(name="records.update", body=fields, id=both.local(uuid).id))


async def add_home_member(both: GatewayAndCloud, user: str) -> int:
    """Make `user` a member of the owner's home, as the app does; returns his user id."""
    async with connect_client(both.cloud, user, PASSWORD) as app:
        user_id = (await app.accounts.profile()).id
    (home,) = [home async for home in both.client.homes.list()]
    member = await both.client.members.create(Member(home_id=home.id, title="邻居"))
    await both.client.members.update(replace(member, user_id=user_id))
    return user_id
