from collections.abc import AsyncIterator

import pytest

from gatewayd.simulator.radio import SimulatedNetwork
from tests.common.bellows_host import Host, bellows_on


@pytest.fixture
def house() -> SimulatedNetwork:
    """A house whose coordinator already has a network."""
    house = SimulatedNetwork(seed=1)
    house.form()
    return house


@pytest.fixture
async def host(house: SimulatedNetwork) -> AsyncIterator[Host]:
    async with house.serve() as url, bellows_on(url) as host:
        yield host
