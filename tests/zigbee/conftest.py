"""Fixtures: a simulated network, and the zigbee package running on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.zigbee import COORDINATOR, ZigbeeGateway, running


@pytest.fixture
def network() -> SimulatedNetwork:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=5)
    network.form()
    return network


@pytest.fixture
async def gateway(network: SimulatedNetwork, tmp_path: Path) -> AsyncIterator[ZigbeeGateway]:
    async with network.serve() as url, running(network, url, tmp_path) as gateway:
        await gateway.until_up()
        yield gateway
