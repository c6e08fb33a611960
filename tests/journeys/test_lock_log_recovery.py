"""What a lock did while the gateway was down is read from its log, and published before what it does meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.lock import KeyType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from tests.common.daemon_process import DaemonProcess
from tests.common.join_devices import join_all

MOTHER_PIN, FATHER_PIN = "482913", "573024"
LOCK = "00158d0003b00001"


@dataclass(frozen=True, slots=True)
class GatewayWithLock:
    """A gateway that can be killed, a lock with two PIN codes (keys 1 and 2), and a phone that receives its events."""

    daemon: DaemonProcess
    network: SimulatedNetwork
    lock: Lock
    phone: AppClient

    @property
    def openings(self) -> list[int]:
        """The key of each unlock event, in the order in which the phone received them."""
        return [
            message.msg["param"]["keyid"]
            for message in self.phone.received
            if message.meaning is OperationStatus.UNLOCK_EVENT
        ]

    async def wait_for_openings(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.openings) < count:
                await asyncio.sleep(0.05)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayWithLock]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    door_lock = network.add(lock(LOCK, poll_interval_s=0.05), joined=False)
    async with (
        simulated_environment(network) as environment,
        environment.phone() as phone,
        DaemonProcess(environment, tmp_path) as daemon,
    ):
        await daemon.start()
        await join_all(network, phone, (door_lock,))
        for name, pin in (("妈妈", MOTHER_PIN), ("爸爸", FATHER_PIN)):
            key = {"keytype": KeyType.PASSWORD, "key_name": name, "pass": pin}
            answer = await phone.request(Category.LOCK, LOCK, ExecType.CREATE, param=key)
            assert answer.meaning is OperationStatus.CREATED
        yield GatewayWithLock(daemon, network, door_lock, phone)
        assert await daemon.stop() == 0


async def test_opening_after_restart_is_published_after_openings_from_log(gateway: GatewayWithLock) -> None:
    await gateway.daemon.kill()
    for _ in range(3):
        assert gateway.lock.enter_pin(MOTHER_PIN)
    gateway.network.faults.delay_answers(LOCK, 0.4)  # so that reading the log takes a while
    executed = len(gateway.lock.executed)
    await gateway.daemon.start()
    async with asyncio.timeout(30):
        while len(gateway.lock.executed) == executed:
            await asyncio.sleep(0.01)
    assert gateway.lock.enter_pin(FATHER_PIN)
    await gateway.wait_for_openings(4)
    assert gateway.openings == [1, 1, 1, 2]


async def test_openings_from_log_are_published_when_lock_clock_was_set_back(gateway: GatewayWithLock) -> None:
    assert gateway.lock.enter_pin(MOTHER_PIN)
    await gateway.wait_for_openings(1)
    gateway.network.wall_clock = lambda: datetime(2003, 1, 1, tzinfo=UTC)  # as after a change of batteries
    assert gateway.lock.enter_pin(FATHER_PIN)
    await gateway.wait_for_openings(2)
    await gateway.daemon.kill()
    for _ in range(2):
        assert gateway.lock.enter_pin(FATHER_PIN)
    await gateway.daemon.start()
    await gateway.wait_for_openings(4)
    assert gateway.openings == [1, 2, 2, 2]
