"""A gateway's provisioning on real UDP sockets, on loopback; the air is simulated, and so is nothing else."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from tests.common.provisioning import (
    Gateway,
    running,
)


@pytest.fixture(autouse=True)
def as_the_daemon_logs() -> Iterator[None]:
    """From level info on, and not to where a command in this process has its results."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as gateway:
        yield gateway
