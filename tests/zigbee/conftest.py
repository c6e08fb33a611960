"""The zigbee room on the real bellows, a simulated coordinator and a store on disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.zigbee import COORDINATOR, Room, running


@pytest.fixture
def house() -> SimulatedNetwork:
    house = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    house.form()
    return house


@pytest.fixture
async def room(house: SimulatedNetwork, tmp_path: Path) -> AsyncIterator[Room]:
    async with house.serve() as url, running(house, url, tmp_path) as room:
        await asyncio.wait_for(room.zigbee.radio.up.wait(), 20)
        yield room
