"""The watchdog is fed as long as every part works, and only then; systemd is told how the daemon is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gatewayd.admin.watchdog import Watchdog
from gatewayd.model.errors import StoreError

STALLED_AFTER_S = 0.2


@dataclass
class Service:
    """What systemd hears, and how the parts are."""

    sent: list[str] = field(default_factory=list)
    busy_since: dict[str, float | None] = field(default_factory=dict)
    store_answers: bool = True
    store_fails: bool = False
    status: str = "radio up on channel 15, connected to the cloud"
    status_fails: bool = False

    async def probe_store(self) -> None:
        if not self.store_answers:
            await asyncio.Event().wait()
        if self.store_fails:
            raise StoreError("disk I/O error")

    def line(self) -> str:
        if self.status_fails:
            raise KeyError("channel")
        return self.status

    def fed(self) -> int:
        return self.sent.count("WATCHDOG=1")

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def watched(service: Service) -> AsyncIterator[None]:
    watchdog = Watchdog(
        service.sent.append,
        service.probe_store,
        lambda: service.busy_since,
        service.line,
        interval_s=0.02,
        stalled_after_s=STALLED_AFTER_S,
    )
    task = asyncio.create_task(watchdog.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def loop_time() -> float:
    return asyncio.get_running_loop().time()


async def test_watchdog_is_fed_again_and_again_while_all_parts_work() -> None:
    service = Service(busy_since={"radio": None, "mqtt": loop_time()})
    async with watched(service):
        await service.until(lambda: service.fed() > 3)


@pytest.mark.parametrize("part", ["radio", "mqtt"])
async def test_watchdog_is_not_fed_while_an_attempt_of_a_part_does_not_end(part: str) -> None:
    service = Service(busy_since={part: loop_time() - 1})
    async with watched(service):
        await service.until(lambda: f"STATUS=stuck: {part}" in service.sent)
        assert service.fed() == 0
        service.busy_since[part] = None
        await service.until(lambda: service.fed() > 0)


async def test_watchdog_is_not_fed_while_the_store_does_not_answer() -> None:
    service = Service(store_answers=False)
    async with watched(service):
        await service.until(lambda: "STATUS=stuck: store" in service.sent)
        fed = service.fed()
        await asyncio.sleep(0.1)
        assert service.fed() == fed


async def test_store_that_says_that_it_fails_is_no_reason_for_a_restart() -> None:
    service = Service(store_fails=True)
    async with watched(service):
        await asyncio.sleep(2 * STALLED_AFTER_S)
        assert "STATUS=stuck: store" not in service.sent
        assert service.fed() > 3


async def test_status_line_is_sent_when_it_changes() -> None:
    service = Service()
    async with watched(service):
        await service.until(lambda: service.fed() > 3)
        service.status = "radio away: cannot\nstart"
        await service.until(lambda: "STATUS=radio away: cannot start" in service.sent)
    lines = [line for line in service.sent if line.startswith("STATUS=")]
    assert lines == [f"STATUS={Service.status}", "STATUS=radio away: cannot start"]


async def test_status_line_that_cannot_be_made_is_no_reason_for_a_restart() -> None:
    service = Service(status_fails=True)
    async with watched(service):
        await service.until(lambda: service.fed() > 3)
        service.status_fails = False
        await service.until(lambda: f"STATUS={Service.status}" in service.sent)
    assert "STATUS=unknown: KeyError('channel')" in service.sent
