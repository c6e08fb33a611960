"""How long a message can have been under way between the broker and the gateway, stamped or not."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.cloud.mqtt import client as client_module
from gatewayd.cloud.mqtt import connection as connection_module
from gatewayd.model.api_time import format_api_time
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.trusted_time import boottime_s
from tests.common.cloud import LOCK, ZONE, Gateway, running
from tests.common.rude_gateway import until
from tests.common.rude_proxy import RudeProxy

TTL_S = 2.0


def ahead() -> str:
    """The stamp of a phone whose clock is a minute ahead."""
    return format_api_time(datetime.now(UTC) + timedelta(minutes=1), ZONE)


async def unlock(phone: AppClient, **fields: object) -> OperationStatus | None:
    answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1}, **fields)
    return answer.meaning


async def settled(gateway: Gateway) -> None:
    await until(lambda: gateway.session.is_working)


@pytest.mark.parametrize("fields", [dict, lambda: {"update_time": ahead()}], ids=["no stamp", "stamped ahead"])
async def test_unlock_that_the_line_held_back_for_longer_than_the_ttl_is_not_executed(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, fields: Callable[[], dict[str, str]]
) -> None:
    async with running(rude, tmp_path / "house.db", ttl_s=TTL_S) as gateway:
        await settled(gateway)
        rude.rude.holds_back = True
        held = asyncio.create_task(unlock(phone, **fields()))
        await asyncio.sleep(TTL_S + 0.5)
        rude.rude.holds_back = False
        assert await held is OperationStatus.FAILED
        assert not gateway.bench.ran
        await asyncio.sleep(0.1)  # a round trip
        assert await unlock(phone) is OperationStatus.CONTROLLED
        assert gateway.session.connections == 1


async def test_unlock_without_a_stamp_is_executed_after_any_silence(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    async with running(rude, tmp_path / "house.db", ttl_s=TTL_S) as gateway:
        await settled(gateway)
        for silence_s in (0.0, 0.4, 0.9, 1.1, 2.3, 3.0):
            await asyncio.sleep(silence_s)
            assert await unlock(phone) is OperationStatus.CONTROLLED


async def test_idle_line_is_probed_no_more_often_than_it_must(rude: RudeProxy, tmp_path: Path) -> None:
    async with running(rude, tmp_path / "house.db", ttl_s=TTL_S) as gateway:
        await settled(gateway)
        await asyncio.sleep(0.5)
        received = rude.received
        await asyncio.sleep(5)
        assert rude.received - received <= 6


async def test_unlock_that_arrives_while_the_board_sleeps_is_not_executed_when_it_wakes(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's clock stands still while the board is suspended; CLOCK_BOOTTIME does not."""
    slept_s = 0.0

    def boottime() -> float:
        return boottime_s() + slept_s

    for module in (client_module, connection_module):
        monkeypatch.setattr(module, "boottime_s", boottime)
    async with running(rude, tmp_path / "house.db", ttl_s=60.0, boottime=boottime) as gateway:
        await settled(gateway)
        assert await unlock(phone) is OperationStatus.CONTROLLED
        rude.rude.holds_back = True
        held = asyncio.create_task(unlock(phone))
        await asyncio.sleep(0.3)
        slept_s = 3600.0
        rude.rude.holds_back = False
        assert await held is OperationStatus.FAILED
        assert len(gateway.bench.ran) == 1
