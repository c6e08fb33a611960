"""A guest at a running gateway: what the cloud gives him he may, and no longer than it does; nothing restarts."""

import asyncio
from pathlib import Path

import msgspec
from msgspec.structs import replace

from gatewayd.admin.console import Console, NoParams
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.members import Member
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, GUEST, OWNER, PASSWORD
from tests.common.home import LAMP, Home, at_home
from tests.common.rest import connected

TURN_ON = {"operate": 1, "operate_channel_id": 1}
LAPSED = msgspec.json.encode(
    {
        "msg": {},
        "status": OperationStatus.AUTHORIZATION_EXPIRED.code,
        "desc": OperationStatus.AUTHORIZATION_EXPIRED.desc,
    }
)


async def synced(console: Console, after: int) -> int:
    """The number of the first run of the sync after `after`, once it is over."""
    async with asyncio.timeout(30):
        while True:
            progress = await console.sync_progress(NoParams())
            if progress["run"] > after and not progress["running"]:
                return int(progress["run"])
            await asyncio.sleep(0.02)


async def invited(app: CloudClient, home: Home, level: int) -> Authorization:
    """The owner's app makes the guest a member of the home and lets him use the lamp."""
    async with connected(home.environment.cloud, username=GUEST, password=PASSWORD) as guests_app:
        guest_id = (await guests_app.accounts.profile()).id
    (network,) = [one async for one in app.homes.list()]
    member = await app.members.create(Member(home_id=network.id, title="邻居"))
    await app.members.update(replace(member, user_id=guest_id))
    (lamp,) = [one async for one in app.records.list(uuid=LAMP)]
    return await app.authorizations.create(Authorization(info_id=lamp.id, authorized_id=guest_id, perm=level))


async def turned_on(home: Home, phone: AppClient, *, wait_s: float = 10) -> OperationStatus | None:
    """What the gateway says to somebody who turns the lamp on; None where it does not hear him."""
    sn = await phone.send(Category.SWITCH, LAMP, ExecType.CONTROL, param=TURN_ON)
    try:
        return (await phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer, timeout_s=wait_s)).meaning
    except TimeoutError:
        return None


async def test_a_guest_is_let_in_and_shut_out_while_the_gateway_runs(tmp_path: Path) -> None:
    async with (
        at_home(tmp_path) as home,
        home.environment.phone(GUEST) as guest,
        connected(home.environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        async with asyncio.timeout(60):
            while LAMP not in {record["uuid"] for record in home.environment.cloud.records(OWNER)}:
                await asyncio.sleep(0.05)
        assert await turned_on(home, guest, wait_s=0.5) is None
        right = await invited(app, home, level=3)
        run = await synced(home.console, await home.console.sync_now(NoParams()) - 1)
        assert await turned_on(home, guest) is OperationStatus.CONTROLLED
        denied = await guest.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="我的")
        assert denied.meaning is OperationStatus.PERMISSION_DENIED

        assert right.id is not None
        await app.authorizations.delete(right.id)
        await home.phone.publish(Category.GATEWAY, COORDINATOR, ExecType.UPDATE, LAPSED)
        await synced(home.console, run)
        async with asyncio.timeout(30):
            while (answer := await turned_on(home, guest, wait_s=1)) is not None:  # until it no longer listens to him
                assert answer is OperationStatus.PERMISSION_DENIED
        assert await turned_on(home, home.phone) is OperationStatus.CONTROLLED
