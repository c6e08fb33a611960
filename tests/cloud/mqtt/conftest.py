"""Fixtures of the tests against a broker that misbehaves."""

from collections.abc import AsyncIterator

import pytest

from gatewayd.simulator.broker import Broker
from tests.common.rude_proxy import RudeProxy


@pytest.fixture
async def rude(broker: Broker) -> AsyncIterator[RudeProxy]:
    async with RudeProxy.before(broker) as rude:
        yield rude
