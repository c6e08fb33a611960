"""A whole home in this process: the daemon, its radio, cloud and broker, and the owner's phone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, Switch, lock, switch
from tests.common.join_devices import join_all

PIN = "482913"
LAMP, DOOR = "00158d0002a00001", "00158d0003b00001"


@dataclass(frozen=True, slots=True)
class Home:
    """A running gateway with a lamp and a door, and a phone that looks at it."""

    environment: Environment
    console: Console
    phone: AppClient
    lamp: Switch
    door: Lock

    async def switch_lamp(self, *, on: bool) -> ReceivedMessage:
        param = {"operate": int(on), "operate_channel_id": 1}
        return await self.phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, param=param)

    async def until_lamp_obeys(self) -> None:
        """Ask until the lamp does what it is told: what a person would do."""
        async with asyncio.timeout(30):
            while (await self.switch_lamp(on=True)).meaning is not OperationStatus.CONTROLLED:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def at_home(folder: Path) -> AsyncIterator[Home]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    lamp = network.add(switch(LAMP, channels=1), joined=False)
    door = network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    async with (
        simulated_environment(network) as environment,
        daemon.running(settings_for(environment, folder), PASSWORD, {}) as console,
        environment.phone() as phone,
    ):
        await join_all(network, phone, (lamp, door))
        key = {"keytype": 0, "key_name": "妈妈", "pass": PIN}
        assert (await phone.request(Category.LOCK, DOOR, ExecType.CREATE, param=key)).meaning is OperationStatus.CREATED
        yield Home(environment, console, phone, lamp, door)
