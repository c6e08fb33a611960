"""A gateway's mirror and outbox on disk, the simulated cloud over HTTP, and what brings the two to agree."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.common.sync import Both, both_ends


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with both_ends(tmp_path) as both:
        await both.drained()
        await both.synced()
        yield both
