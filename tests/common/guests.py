"""Guests as the owner's app makes them: a member of the home with an authorization on one device (§2.2, §2.7)."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from gatewayd.admin.client import call
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.environment import GUEST, OWNER, PASSWORD
from tests.common.rest import connect_client


async def authorize_guest(app: CloudClient, cloud: SimulatedCloud, uuid: str, permission: Permission) -> Authorization:
    """Make GUEST a member of the owner's home and authorize him on the device, once the cloud has its record."""
    await until_cloud_has(cloud, uuid)
    async with connect_client(cloud, username=GUEST, password=PASSWORD) as guests_app:
        guest_id = (await guests_app.accounts.profile()).id
    (home,) = [one async for one in app.homes.list()]
    if not [one async for one in app.members.list() if one.user_id == guest_id]:
        member = await app.members.create(Member(home_id=home.id, title="邻居"))
        await app.members.update(replace(member, user_id=guest_id))
    (device,) = [one async for one in app.records.list(uuid=uuid)]
    return await app.authorizations.create(Authorization(info_id=device.id, authorized_id=guest_id, perm=permission))


async def turn_on(phone: AppClient, lamp: str, *, timeout_s: float = 10) -> OperationStatus | None:
    """Switch the lamp on; the status of the gateway's answer, None where it does not answer."""
    sn = await phone.send(Category.SWITCH, lamp, ExecType.CONTROL, param={"operate": 1, "operate_channel_id": 1})
    try:
        answer = await phone.expect(lambda message: message.sn == sn and message.is_final_answer, timeout_s=timeout_s)
    except TimeoutError:
        return None
    return answer.meaning


async def until_heard(guest: AppClient, lamp: str) -> None:
    """Wait until the guest, who may control the lamp, has: the gateway subscribes to his topics after a sync."""
    async with asyncio.timeout(30):
        while (answer := await turn_on(guest, lamp, timeout_s=2)) is not OperationStatus.CONTROLLED:
            assert answer is None, answer


async def until_cloud_has(cloud: SimulatedCloud, uuid: str) -> None:
    """Wait until the owner's device has its record in the cloud."""
    async with asyncio.timeout(60):
        while uuid not in {record["uuid"] for record in cloud.records(OWNER)}:
            await asyncio.sleep(0.05)


async def sync(socket: Path) -> None:
    """Have the daemon with this admin socket sync, and wait until it has."""
    run = await asyncio.to_thread(call, socket, "sync")
    async with asyncio.timeout(60):
        while True:
            progress = await asyncio.to_thread(call, socket, "sync-progress")
            if progress["run"] >= run and not progress["running"]:
                return
            await asyncio.sleep(0.02)
