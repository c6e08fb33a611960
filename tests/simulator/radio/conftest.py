from collections.abc import AsyncIterator

import pytest

from gatewayd.simulator.radio import House
from tests.common.bellows_host import Host, bellows_on


@pytest.fixture
def house() -> House:
    """A house whose coordinator already has a network."""
    house = House(seed=1)
    house.form()
    return house


@pytest.fixture
async def host(house: House) -> AsyncIterator[Host]:
    async with house.serve() as url, bellows_on(url) as host:
        yield host
