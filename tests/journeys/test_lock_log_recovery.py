"""What a lock did while the gateway was down is told, and before what it does while that is being found out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from tests.common.daemon_process import Daemon
from tests.common.join_devices import join_all

MOTHER, FATHER = "482913", "573024"
DOOR = "00158d0003b00001"


@dataclass(frozen=True, slots=True)
class Home:
    """A gateway that can be killed, a door with two keys, and a phone that hears who opens it."""

    daemon: Daemon
    network: SimulatedNetwork
    door: Lock
    phone: AppClient

    @property
    def openers(self) -> list[int]:
        """Who opened the door, by his key, in the order in which the phone heard of it."""
        return [
            seen.msg["param"]["keyid"] for seen in self.phone.received if seen.meaning is OperationStatus.UNLOCK_EVENT
        ]

    async def until_opened(self, times: int) -> None:
        async with asyncio.timeout(30):
            while len(self.openers) < times:
                await asyncio.sleep(0.05)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    door = network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    async with (
        simulated_environment(network) as environment,
        environment.phone() as phone,
        Daemon(environment, tmp_path) as daemon,
    ):
        await daemon.start()
        await join_all(network, phone, (door,))
        for name, pin in (("妈妈", MOTHER), ("爸爸", FATHER)):
            key = {"keytype": 0, "key_name": name, "pass": pin}
            answer = await phone.request(Category.LOCK, DOOR, ExecType.CREATE, param=key)
            assert answer.meaning is OperationStatus.CREATED
        yield Home(daemon, network, door, phone)
        assert await daemon.stop() == 0


async def test_an_opening_does_not_overtake_those_that_the_gateway_slept_through(home: Home) -> None:
    await home.daemon.kill()
    for _ in range(3):
        assert home.door.enter_pin(MOTHER)
    home.network.faults.delay_answers(DOOR, 0.4)  # its log takes a while to be read
    asked = len(home.door.executed)
    await home.daemon.start()
    async with asyncio.timeout(30):
        while len(home.door.executed) == asked:
            await asyncio.sleep(0.01)
    assert home.door.enter_pin(FATHER)
    await home.until_opened(4)
    assert home.openers == [1, 1, 1, 2]


async def test_a_lock_whose_clock_was_set_back_is_caught_up_with_as_before(home: Home) -> None:
    assert home.door.enter_pin(MOTHER)
    await home.until_opened(1)
    home.network.wall_clock = lambda: datetime(2003, 1, 1, tzinfo=UTC)  # its batteries were changed
    assert home.door.enter_pin(FATHER)
    await home.until_opened(2)
    await home.daemon.kill()
    for _ in range(2):
        assert home.door.enter_pin(FATHER)
    await home.daemon.start()
    await home.until_opened(4)
    assert home.openers == [1, 2, 2, 2]
