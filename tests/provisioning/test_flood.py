"""A flood of arbitrary datagrams: nothing fails, memory does not grow, no network is joined."""

import asyncio
import gc
import os
import random
import tracemalloc

import pytest

from gatewayd.provisioning.rate_limit import RateLimits
from tests.common.damaged_datagrams import damaged_datagrams
from tests.common.provisioning import TIMEOUT_S, UNLIMITED, Gateway, running_gateway

DATAGRAMS = int(os.environ.get("FUZZ_DATAGRAMS", "3000"))
"""`make fuzz` sets 100,000."""

_AT_ONCE = 20
_MOST_GROWTH = 200_000  # bytes


@pytest.mark.parametrize("limits", [UNLIMITED, RateLimits()], ids=["everything is read", "as shipped"])
async def test_flood_changes_nothing(limits: RateLimits) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    async with running_gateway(provisioned=True, limits=limits) as gateway:
        await send(gateway, 1000, seed=1)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await send(gateway, DATAGRAMS, seed=2)
            gc.collect()
            growth = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        print(f"{DATAGRAMS} datagrams: {gateway.admission_counts()}; {growth} bytes more than before")  # noqa: T201
        assert not gateway.window.is_open(gateway.now())
        assert failures == []
        assert gateway.wifi.joins == 0
        assert gateway.joined == []
        assert growth < _MOST_GROWTH, f"{growth} bytes more after {DATAGRAMS} datagrams"


async def send(gateway: Gateway, count: int, seed: int) -> None:
    """Send `count` damaged datagrams, no faster than the gateway reads them from its socket."""
    before = gateway.service.admissions.total()
    async with gateway.phone() as phone:
        for number, datagram in enumerate(damaged_datagrams(random.Random(seed), count), 1):
            phone.send(datagram)
            if number % _AT_ONCE == 0 or number == count:
                async with asyncio.timeout(TIMEOUT_S):
                    while gateway.service.admissions.total() < before + number:
                        await asyncio.sleep(0)
                phone.received_so_far()
