"""The cloud's clock goes back: an unlock of that time stays unexecuted, over a restart too."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd import daemon
from gatewayd.admin.console import NoParams
from gatewayd.demo.run import settings_for
from gatewayd.model.api_time import format_api_time
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, simulated_environment
from gatewayd.simulator.radio import SimulatedNetwork, lock
from gatewayd.trusted_time import BestClock
from gatewayd.wiring import local
from tests.common.join_devices import join_all

DOOR = "00158d0003b00001"
ZONE = ZoneInfo("Asia/Shanghai")
BACK = timedelta(days=20)


def clock() -> BestClock:
    """That of a board that nothing keeps right."""
    return BestClock(is_synchronized=lambda: False)


async def unlock(phone: AppClient, sent_at: datetime) -> OperationStatus | None:
    stamp = format_api_time(sent_at, ZONE)
    answer = await phone.request(
        Category.LOCK, DOOR, ExecType.CONTROL, param={"operate": 1}, create_time=stamp, update_time=stamp
    )
    return answer.meaning


async def test_unlock_of_the_time_that_the_cloud_goes_back_to_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    door = network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    async with simulated_environment(network) as environment, environment.phone() as phone:
        settings = settings_for(environment, tmp_path)
        async with daemon.running(settings, PASSWORD, {}, clock=clock()) as console:
            await join_all(network, phone, (door,))
            environment.cloud.set_clock(-BACK)
            await console.sync_now(NoParams())
            assert await unlock(phone, datetime.now(UTC) - BACK) is OperationStatus.FAILED
            assert await unlock(phone, datetime.now(UTC)) is OperationStatus.CONTROLLED
            door.turn_knob(lock=True)
            assert "not believed" in str(console.snapshots.clock().trouble)
        bound = datetime.now(UTC)
        monkeypatch.setattr(local, "read_lower_bound", lambda _facts: bound)
        async with daemon.running(settings, PASSWORD, {}, clock=clock()) as console:
            async with asyncio.timeout(30):
                while not (console.snapshots.radio().up and console.snapshots.mqtt().up):
                    await asyncio.sleep(0.05)
            await console.sync_now(NoParams())
            assert await unlock(phone, datetime.now(UTC) - BACK) is OperationStatus.FAILED
            assert await unlock(phone, datetime.now(UTC)) is OperationStatus.FAILED
            assert door.is_locked()
            assert "not believed" in str(console.snapshots.clock().trouble)
            environment.cloud.set_clock(timedelta())
            async with asyncio.timeout(30):
                while console.snapshots.clock().trouble is not None:
                    await console.sync_now(NoParams())
                    await asyncio.sleep(0.1)
            assert await unlock(phone, datetime.now(UTC)) is OperationStatus.CONTROLLED
