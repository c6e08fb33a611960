"""The daemon starts without radio, broker or cloud, reports what is missing, and connects when it is there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.admin.status import GatewayStatus
from gatewayd.demo.run import settings_for
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.environment import COORDINATOR, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, switch
from tests.common.join_devices import has_joined, is_gateway_online

LAMP = "00158d0002a00001"


@asynccontextmanager
async def environment_with_lamp() -> AsyncIterator[Environment]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    network.add(switch(LAMP, channels=1), joined=False)
    async with simulated_environment(network) as environment:
        yield environment


async def wait_until(console: Console, condition: Callable[[GatewayStatus], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition(await console.snapshots.gateway()):
            await asyncio.sleep(0.02)


async def test_daemon_reports_missing_parts_and_connects_when_they_come(tmp_path: Path) -> None:
    async with environment_with_lamp() as environment:
        environment.network.faults.refuse_connections()
        environment.cloud.faults.fail("/", status=503, times=10_000)
        await environment.broker.kill()
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console:
            await wait_until(console, lambda status: "cannot start" in str(status.radio.trouble))
            environment.network.faults.accept_connections()
            await wait_until(console, lambda status: status.radio.up)
            await wait_until(console, lambda status: "refused" in str(status.mqtt.trouble))
            await environment.broker.restart()
            await wait_until(console, lambda status: status.mqtt.up)
            await wait_until(console, lambda status: "503" in str(status.rest.trouble))
            environment.cloud.faults.clear()
            await wait_until(console, lambda status: status.rest.trouble is None and status.outbox["rest"] == 0)
        assert [record["uuid"] for record in environment.cloud.records(OWNER)] == [COORDINATOR]


async def test_known_gateway_without_radio_is_online_and_answers_with_network_error(tmp_path: Path) -> None:
    async with environment_with_lamp() as environment, environment.phone() as phone:
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}):
            await phone.expect(is_gateway_online)
            await phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 60})
            await environment.network.join(environment.network.devices[LAMP])
            await phone.expect(partial(has_joined, LAMP))
        stopped = asyncio.get_running_loop().time()
        environment.network.faults.refuse_connections()
        environment.network.faults.cut_connection()
        async with daemon.running(settings_for(environment, tmp_path), PASSWORD, {}) as console:
            await wait_until(console, lambda status: status.mqtt.up)
            await phone.expect(
                lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.ZIGBEE_NETWORK_ERROR,
                since=stopped,
            )
            answer = await phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, param={"operate": 1})
            assert answer.meaning is OperationStatus.ZIGBEE_NETWORK_ERROR
            renamed = await phone.request(Category.SWITCH, LAMP, ExecType.UPDATE, title="走廊灯")
            assert (renamed.meaning, renamed.msg["title"]) == (OperationStatus.UPDATED, "走廊灯")
            assert not any(seen.at >= stopped and is_gateway_online(seen) for seen in phone.received)
            environment.network.faults.accept_connections()
            await phone.expect(is_gateway_online, since=stopped)
