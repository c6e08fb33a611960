from collections.abc import AsyncIterator

import pytest

from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.bellows_host import Host, bellows_on


@pytest.fixture
def network() -> SimulatedNetwork:
    """A house whose coordinator already has a network."""
    network = SimulatedNetwork(seed=1)
    network.form()
    return network


@pytest.fixture
async def host(network: SimulatedNetwork) -> AsyncIterator[Host]:
    async with network.serve() as url, bellows_on(url) as host:
        yield host
