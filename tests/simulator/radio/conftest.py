"""A simulated network, and bellows as its host."""

from collections.abc import AsyncIterator

import pytest

from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.bellows_host import BellowsHost, bellows_on


@pytest.fixture
def network() -> SimulatedNetwork:
    """A simulated network that is formed."""
    network = SimulatedNetwork(seed=1)
    network.form()
    return network


@pytest.fixture
async def host(network: SimulatedNetwork) -> AsyncIterator[BellowsHost]:
    async with network.serve() as url, bellows_on(url) as host:
        yield host
