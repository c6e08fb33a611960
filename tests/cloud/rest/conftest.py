"""The simulated cloud on loopback with a few accounts, and a client of one of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import ADMIN, FRIEND, GUEST, PASSWORD, USER, connect_client


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve() as cloud:
        for user in (USER, GUEST, FRIEND):
            cloud.register(user, PASSWORD)
        cloud.register(ADMIN, PASSWORD, is_admin=True)
        yield cloud


@pytest.fixture
async def client(cloud: SimulatedCloud) -> AsyncIterator[CloudClient]:
    async with connect_client(cloud) as client:
        yield client
