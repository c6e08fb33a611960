"""Whatever is sent to the port: the gateway still answers, its memory is as it was, and nothing was joined."""

import asyncio
import gc
import os
import random
import tracemalloc

import pytest

from gatewayd.provisioning.rate_limit import RateLimits
from tests.common.damaged_datagrams import datagrams
from tests.common.provisioning import PATIENCE_S, WIDE, Gateway, running

DATAGRAMS = int(os.environ.get("FUZZ_DATAGRAMS", "3000"))
"""`make fuzz` says 100,000."""

_AT_ONCE = 20


@pytest.mark.parametrize("limits", [WIDE, RateLimits()], ids=["everything is read", "as shipped"])
async def test_a_flood_leaves_no_trace(limits: RateLimits) -> None:
    broken: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    async with running(provisioned=True, limits=limits) as gateway:
        await send(gateway, 1000, 1)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await send(gateway, DATAGRAMS, 2)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        print(f"{DATAGRAMS} datagrams: {gateway.verdict_counts()}; {grown} bytes more than before")  # noqa: T201
        assert not gateway.window.is_open(gateway.now())
        assert broken == []
        assert gateway.wifi.joins == 0
        assert gateway.joined == []
        assert grown < 200_000, f"{grown} bytes more after {DATAGRAMS} datagrams"


async def send(gateway: Gateway, count: int, seed: int) -> None:
    """Send so many, waiting now and then until the gateway has taken them all off its socket."""
    taken = gateway.service.verdicts.total()
    async with gateway.phone() as phone:
        for number, datagram in enumerate(datagrams(random.Random(seed), count), 1):
            phone.send(datagram)
            if number % _AT_ONCE == 0 or number == count:
                async with asyncio.timeout(PATIENCE_S):
                    while gateway.service.verdicts.total() < taken + number:
                        await asyncio.sleep(0)
                phone.heard_so_far()
