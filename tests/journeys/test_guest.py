"""A guest of a running gateway: he may do what the cloud authorizes him to, until it no longer does; no restart."""

import asyncio
from pathlib import Path

import msgspec

from gatewayd.admin.console import Console, NoParams
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, GUEST, OWNER, PASSWORD
from tests.common.guests import authorize_guest, turn_on, until_cloud_has, until_heard
from tests.common.rest import connect_client
from tests.common.running_gateway import LAMP, running_gateway

AUTHORIZATION_EXPIRED = msgspec.json.encode(
    {
        "msg": {},
        "status": OperationStatus.AUTHORIZATION_EXPIRED.code,
        "desc": OperationStatus.AUTHORIZATION_EXPIRED.desc,
    }
)


async def synced(console: Console, after: int) -> int:
    """The number of the first run of the sync after run `after`, once it has ended."""
    async with asyncio.timeout(30):
        while True:
            progress = await console.sync_progress(NoParams())
            if progress["run"] > after and not progress["running"]:
                return int(progress["run"])
            await asyncio.sleep(0.02)


async def turn_lamp_on(phone: AppClient, *, timeout_s: float = 10) -> OperationStatus | None:
    return await turn_on(phone, LAMP, timeout_s=timeout_s)


async def test_guest_may_control_lamp_only_while_authorized(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path) as gateway,
        gateway.environment.phone(GUEST) as guest,
        connect_client(gateway.environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        await until_cloud_has(gateway.environment.cloud, LAMP)
        assert await turn_lamp_on(guest, timeout_s=0.5) is None
        authorization = await authorize_guest(app, gateway.environment.cloud, LAMP, Permission.CONTROL)
        run = await synced(gateway.console, await gateway.console.sync_now(NoParams()) - 1)
        await until_heard(guest, LAMP)
        denied = await guest.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="我的")
        assert denied.meaning is OperationStatus.PERMISSION_DENIED

        assert authorization.id is not None
        await app.authorizations.delete(authorization.id)
        await gateway.phone.publish(Category.GATEWAY, COORDINATOR, ExecType.UPDATE, AUTHORIZATION_EXPIRED)
        await synced(gateway.console, run)
        async with asyncio.timeout(30):
            while (answer := await turn_lamp_on(guest, timeout_s=1)) is not None:  # until it has unsubscribed
                assert answer is OperationStatus.PERMISSION_DENIED
        assert await turn_lamp_on(gateway.phone) is OperationStatus.CONTROLLED


async def test_guest_is_refused_at_once_when_owner_revokes_while_rest_api_is_away(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path) as gateway,
        gateway.environment.phone(GUEST) as guest,
        connect_client(gateway.environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        await authorize_guest(app, gateway.environment.cloud, LAMP, Permission.CONTROL)
        run = await synced(gateway.console, await gateway.console.sync_now(NoParams()) - 1)
        await until_heard(guest, LAMP)

        gateway.environment.cloud.faults.fail("/", status=503, times=10_000)
        started = asyncio.get_running_loop().time()
        await gateway.phone.publish(Category.GATEWAY, COORDINATOR, ExecType.UPDATE, AUTHORIZATION_EXPIRED)
        while (answer := await turn_lamp_on(guest)) is not OperationStatus.PERMISSION_DENIED:
            assert answer is OperationStatus.CONTROLLED
        print(f"refused {asyncio.get_running_loop().time() - started:.3f} s after the revocation")  # noqa: T201
        looked = await guest.request(Category.SWITCH, LAMP, ExecType.QUERY)
        assert looked.meaning is OperationStatus.DEVICE_NORMAL
        assert await turn_lamp_on(gateway.phone) is OperationStatus.CONTROLLED

        gateway.environment.cloud.faults.clear()
        await gateway.console.sync_now(NoParams())
        await synced(gateway.console, run + 1)
        assert await turn_lamp_on(guest) is OperationStatus.CONTROLLED  # the authorization stands in the cloud


async def test_guest_who_asks_without_end_keeps_owner_from_nothing(tmp_path: Path) -> None:
    async def ask_without_end(guest: AppClient) -> None:
        while True:
            await guest.send(Category.SWITCH, LAMP, ExecType.QUERY)

    async with (
        running_gateway(tmp_path) as gateway,
        gateway.environment.phone(GUEST) as guest,
        connect_client(gateway.environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        await authorize_guest(app, gateway.environment.cloud, LAMP, Permission.QUERY)
        await synced(gateway.console, await gateway.console.sync_now(NoParams()) - 1)
        await guest.request(Category.SWITCH, LAMP, ExecType.QUERY)
        flood = asyncio.create_task(ask_without_end(guest))
        took = []
        for _ in range(20):
            await asyncio.sleep(0.1)
            started = asyncio.get_running_loop().time()
            assert await turn_lamp_on(gateway.phone) is OperationStatus.CONTROLLED
            took.append(asyncio.get_running_loop().time() - started)
        flood.cancel()
        print(f"20 commands among {len(guest.received)} messages to the guest, the slowest {max(took):.3f} s")  # noqa: T201
