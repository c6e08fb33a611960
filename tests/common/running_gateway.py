"""A gateway in this process: the daemon in a simulated environment, with a lamp and a lock that have joined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gatewayd import daemon
from gatewayd.admin.console import Console
from gatewayd.demo.run import settings_for
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.lock import KeyType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, Switch, lock, switch
from tests.common.join_devices import join_all

PIN = "482913"
LAMP, LOCK = "00158d0002a00001", "00158d0003b00001"


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """The daemon's console, its environment and devices, and the owner's phone."""

    environment: Environment
    console: Console
    phone: AppClient
    lamp: Switch
    lock: Lock

    async def switch_lamp(self, *, on: bool) -> ReceivedMessage:
        """The answer to a request of the owner's."""
        param = {"operate": int(on), "operate_channel_id": 1}
        return await self.phone.request(Category.SWITCH, LAMP, ExecType.CONTROL, param=param)

    async def wait_until_lamp_answers(self) -> None:
        """Switch the lamp on, again and again, until it is."""
        async with asyncio.timeout(30):
            while (await self.switch_lamp(on=True)).meaning is not OperationStatus.CONTROLLED:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[RunningGateway]:
    """A gateway with its state in `folder`; the lock knows PIN."""
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    lamp = network.add(switch(LAMP, channels=1), joined=False)
    door_lock = network.add(lock(LOCK, poll_interval_s=0.05), joined=False)
    async with (
        simulated_environment(network) as environment,
        daemon.running(settings_for(environment, folder), PASSWORD, {}) as console,
        environment.phone() as phone,
    ):
        await join_all(network, phone, (lamp, door_lock))
        key = {"keytype": KeyType.PASSWORD, "key_name": "妈妈", "pass": PIN}
        answer = await phone.request(Category.LOCK, LOCK, ExecType.CREATE, param=key)
        assert answer.meaning is OperationStatus.CREATED
        yield RunningGateway(environment, console, phone, lamp, door_lock)
