"""Revocation: how a guest loses the control of a lamp, whatever is away; and that he has it back by a sync alone.

What happens is asserted; when, is printed, a row a case (`-s`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, GUEST, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import switch
from tests.common.daemon_process import DaemonProcess
from tests.common.guests import authorize_guest, sync, turn_on, until_heard
from tests.common.join_devices import is_gateway_online, join_all
from tests.common.rest import connect_client

LAMP: Final = "00158d0002a00001"
EXPIRED, EMPTY_UPDATE = OperationStatus.AUTHORIZATION_EXPIRED, OperationStatus.UPDATE_REQUESTED
SYNC_INTERVAL_S: Final = 5
GRANTS_VALID_S: Final = 60  # the least that may be set


@dataclass(frozen=True, slots=True)
class Home:
    """The daemon as a process, its owner and a guest who may control the lamp."""

    environment: Environment
    daemon: DaemonProcess
    owner: AppClient
    guest: AppClient
    app: CloudClient
    authorization: int

    @property
    def admin(self) -> Path:
        return self.daemon.folder / "admin.sock"

    def cut_rest(self) -> None:
        """From now on the REST API answers nothing but 503."""
        self.environment.cloud.faults.fail("/", status=503, times=1_000_000)

    def restore_rest(self) -> None:
        self.environment.cloud.faults.clear()

    async def restart(self, **environ: str) -> None:
        """Kill the daemon and start it again; wait until it is connected."""
        if self.daemon.pid is not None:
            await self.daemon.kill()
        since = asyncio.get_running_loop().time()
        await self.daemon.start(environ=environ)
        await self.owner.expect(is_gateway_online, timeout_s=30, since=since)

    async def say(self, status: OperationStatus) -> None:
        """The owner's side says that permissions have changed, on the gateway's topic."""
        payload = {"msg": {}, "status": status.code, "desc": status.desc}
        await self.owner.publish(Category.GATEWAY, COORDINATOR, ExecType.UPDATE, msgspec.json.encode(payload))

    async def seconds_until_refused(self, began: float, every_s: float = 0.05, at_most_s: float = 60.0) -> float:
        """The guest tries until he may not, or is not listened to any more; how long after `began` that is."""
        async with asyncio.timeout(at_most_s):
            while True:
                asked = asyncio.get_running_loop().time()
                answer = await turn_on(self.guest, LAMP, timeout_s=2)
                if answer in (None, OperationStatus.PERMISSION_DENIED):
                    return asked - began
                assert answer in (OperationStatus.CONTROLLED, OperationStatus.ZIGBEE_NETWORK_ERROR), answer
                await asyncio.sleep(every_s)

    async def until_radio_is_up(self) -> None:
        """Wait until the owner can switch the lamp: from then on a refusal is one of permission."""
        async with asyncio.timeout(30):
            while await turn_on(self.owner, LAMP) is not OperationStatus.CONTROLLED:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def home_with_guest(folder: Path, **environ: str) -> AsyncIterator[Home]:
    async with (
        simulated_environment() as environment,
        DaemonProcess(environment, folder) as daemon,
        environment.phone() as owner,
        environment.phone(GUEST) as guest,
        connect_client(environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        lamp = environment.network.add(switch(LAMP, channels=1), joined=False)
        await daemon.start(environ=environ)
        await join_all(environment.network, owner, [lamp])
        authorization = await authorize_guest(app, environment.cloud, LAMP, Permission.CONTROL)
        assert authorization.id is not None
        await sync(folder / "admin.sock")
        home = Home(environment, daemon, owner, guest, app, authorization.id)
        await until_heard(home.guest, LAMP)
        yield home


def show(case: str, seconds: float) -> None:
    print(f"{case:<60} refused after {seconds:6.2f} s")  # noqa: T201


@pytest.mark.parametrize("word", [EXPIRED, EMPTY_UPDATE], ids=["授权失效", "请求更新信息"])
@pytest.mark.parametrize("away", ["REST down", "restarted in between", "REST never reached"])
async def test_guest_is_refused_at_the_owners_word_until_a_sync_succeeds(
    tmp_path: Path, word: OperationStatus, away: str
) -> None:
    async with home_with_guest(tmp_path) as home:
        home.cut_rest()
        if away == "REST never reached":
            await home.restart()
            await home.until_radio_is_up()
            await until_heard(home.guest, LAMP)
        began = asyncio.get_running_loop().time()
        await home.say(word)
        if away == "restarted in between":
            await turn_on(home.owner, LAMP)  # the owner's word has been taken by then
            await home.restart()
        show(f"{word.desc}, {away}", await home.seconds_until_refused(began))
        await home.restart()
        await home.until_radio_is_up()
        assert await turn_on(home.guest, LAMP) is OperationStatus.PERMISSION_DENIED
        home.restore_rest()
        await sync(home.admin)
        assert await turn_on(home.guest, LAMP) is OperationStatus.CONTROLLED  # the authorization stands in the cloud


@pytest.mark.parametrize("word", [EXPIRED, EMPTY_UPDATE], ids=["授权失效", "请求更新信息"])
async def test_guest_whose_authorization_is_gone_is_refused_for_good(tmp_path: Path, word: OperationStatus) -> None:
    async with home_with_guest(tmp_path) as home:
        await home.app.authorizations.delete(home.authorization)
        began = asyncio.get_running_loop().time()
        await home.say(word)
        show(f"removed in the cloud and {word.desc}, REST up", await home.seconds_until_refused(began))
        await sync(home.admin)
        await home.restart()
        await home.until_radio_is_up()
        assert await turn_on(home.guest, LAMP, timeout_s=1) in (None, OperationStatus.PERMISSION_DENIED)


async def test_guest_whose_authorization_is_gone_is_refused_with_the_next_sync(tmp_path: Path) -> None:
    async with home_with_guest(tmp_path, GATEWAYD_CLOUD_SYNC_INTERVAL_S=str(SYNC_INTERVAL_S)) as home:
        await home.app.authorizations.delete(home.authorization)
        began = asyncio.get_running_loop().time()
        took = await home.seconds_until_refused(began, every_s=1.0, at_most_s=2 * SYNC_INTERVAL_S)
        show(f"removed in the cloud, no word, a sync every {SYNC_INTERVAL_S} s", took)


async def test_guest_whose_authorization_cannot_be_confirmed_is_refused_after_a_while(tmp_path: Path) -> None:
    validity = {"GATEWAYD_CLOUD_GRANTS_VALID_S": str(GRANTS_VALID_S)}
    async with home_with_guest(tmp_path, **validity) as home:
        home.cut_rest()
        began = asyncio.get_running_loop().time()
        await home.restart(**validity)
        took = await home.seconds_until_refused(began, every_s=2.0, at_most_s=2 * GRANTS_VALID_S)
        show(f"removed in the cloud, no word, REST down, valid for {GRANTS_VALID_S} s", took)
        await home.restart(**validity)
        await home.until_radio_is_up()
        assert await turn_on(home.guest, LAMP) is OperationStatus.PERMISSION_DENIED
