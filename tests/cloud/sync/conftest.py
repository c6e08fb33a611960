"""A gateway and the simulated cloud, in agreement."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.common.sync import GatewayAndCloud, gateway_and_cloud


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[GatewayAndCloud]:
    async with gateway_and_cloud(tmp_path) as both:
        await both.wait_until_sent()
        await both.run_sync()
        yield both
