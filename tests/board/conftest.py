"""A board with the service beside all that it connects to, one for the tests of a module: a lock, a broker, a cloud."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, Environment, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from tests.common.board import Board, booted_board, settings_in
from tests.common.join_devices import join_all

LOCK = "00158d0003b00001"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def environment() -> AsyncIterator[Environment]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    network.add(lock(LOCK, log_records=50, poll_interval_s=0.2), joined=False)
    async with simulated_environment(network) as environment:
        yield environment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Board]:
    """The service is not started yet. Its state folder is a disk of eight megabytes."""
    async with booted_board(tmp_path_factory.mktemp("board"), settings_in(environment)) as board:
        await board.run("mkdir -p /var/lib/gatewayd && mount -t tmpfs -o size=8m tmpfs /var/lib/gatewayd")
        yield board


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone(environment: Environment) -> AsyncIterator[AppClient]:
    async with environment.phone() as phone:
        yield phone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(board: Board, environment: Environment, phone: AppClient) -> Lock:
    """The service's lock, which has joined while it ran."""
    door = environment.network.devices[LOCK]
    assert isinstance(door, Lock)
    await board.start()
    await join_all(environment.network, phone, [door])
    await board.until_shown("StatusText", "radio up on channel 15, connected to the cloud")
    return door
