"""A simulated cloud with a user, a guest and an administrator; and a session to call it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.simulated_cloud import ADMIN, GUEST, PASSWORD, USER, ApiUser, log_in


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve() as cloud:
        cloud.register(USER, PASSWORD)
        cloud.register(GUEST, PASSWORD)
        cloud.register(ADMIN, PASSWORD, is_admin=True)
        yield cloud


@pytest.fixture
async def session(cloud: SimulatedCloud) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cloud.base_url) as session:
        yield session


@pytest.fixture
async def user(session: aiohttp.ClientSession) -> ApiUser:
    return await log_in(session, USER)
