"""Fixtures: a store on a real file, and a clock that is set by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.store.store import Store
from tests.common.store import Clock, Opener


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reopen(tmp_path: Path, clock: Clock) -> Opener:
    return Opener(tmp_path / "gatewayd.db", clock)


@pytest.fixture
async def store(reopen: Opener) -> AsyncIterator[Store]:
    async with reopen() as opened:
        yield opened
