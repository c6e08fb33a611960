"""A gateway's cloud half on real parts: a Mosquitto, a store on disk, a phone; the radio is a handler that is told
what to answer, since the radio itself is not what is tested here.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from tests.common.cloud import (
    GUEST,
    OWNER,
    PASSWORD,
    Gateway,
    running,
)


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with Broker.start({OWNER: PASSWORD, GUEST: PASSWORD}, grants={OWNER: [GUEST]}) as broker:
        yield broker


@pytest.fixture
async def phone(broker: Broker) -> AsyncIterator[AppClient]:
    async with AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as phone:
        yield phone


@pytest.fixture
async def gateway(broker: Broker, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running(broker, tmp_path / "house.db") as gateway:
        await asyncio.wait_for(gateway.session.connected.wait(), 10)
        yield gateway
