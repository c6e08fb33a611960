"""The daemon comes up whatever is missing, says what that is, does what it can, and takes up the rest when it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.admin.status import GatewayStatus
from gatewayd.demo.run import settings_for
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, switch

LAMP = "00158d0002a00001"


@asynccontextmanager
async def a_world() -> AsyncIterator[Environment]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    network.add(switch(LAMP, channels=1), joined=False)
    async with simulated_environment(network) as environment:
        yield environment


async def until(console: Console, wanted: Callable[[GatewayStatus], bool]) -> None:
    async with asyncio.timeout(30):
        while not wanted(await console.snapshots.gateway()):
            await asyncio.sleep(0.02)


async def test_with_nothing_there_it_says_what_is_missing_and_takes_it_up_when_it_comes(tmp_path: Path) -> None:
    async with a_world() as environment:
        environment.network.faults.refuse_connections()
        environment.cloud.faults.fail("/", status=503, times=10_000)
        await environment.broker.kill()
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console:
            await until(console, lambda status: "cannot start" in str(status.radio.trouble))
            environment.network.faults.accept_connections()
            await until(console, lambda status: status.radio.up)
            await until(console, lambda status: "refused" in str(status.mqtt.trouble))
            await environment.broker.restart()
            await until(console, lambda status: status.mqtt.up)
            await until(console, lambda status: "503" in str(status.rest.trouble))
            environment.cloud.faults.clear()
            await until(console, lambda status: status.rest.trouble is None and status.outbox["rest"] == 0)
        assert [record["uuid"] for record in environment.cloud.records("18900000001")] == [COORDINATOR]


async def test_a_known_gateway_without_its_radio_is_in_the_cloud_and_says_so_to_whoever_asks(tmp_path: Path) -> None:
    async with a_world() as environment, environment.phone() as phone:
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}):
            await phone.expect(lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.NORMAL)
            await phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 60})
            await environment.network.join(environment.network.devices[LAMP])
            await phone.expect(lambda seen: LAMP in seen.topic and seen.meaning is OperationStatus.CREATED)
        left = asyncio.get_running_loop().time()
        environment.network.faults.refuse_connections()
        environment.network.faults.cut_connection()
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console:
            await until(console, lambda status: status.mqtt.up)
            await phone.expect(
                lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.NORMAL, since=left
            )
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, param={"operate": 1})
            assert answer.meaning is OperationStatus.ZIGBEE_NETWORK_ERROR
            renamed = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
            assert (renamed.meaning, renamed.msg["title"]) == (OperationStatus.UPDATED, "走廊灯")
