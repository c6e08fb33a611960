"""A board whose clock is wrong: what happens at the door is told with the time at which it happened."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd import daemon
from gatewayd.admin.console import NoParams
from gatewayd.demo.run import settings_for
from gatewayd.model.api_time import parse_api_time
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Lock, SimulatedNetwork, lock
from gatewayd.trusted_time import BestClock
from gatewayd.wiring import dating
from tests.common.join_devices import join_all

DOOR = "00158d0003b00001"
PIN = "482913"
ZONE = ZoneInfo("Asia/Shanghai")
SINCE_1970 = datetime.now(UTC) - datetime(1970, 1, 1, 0, 2, tzinfo=UTC)


class Board:
    """A board's wall clock that is behind by `behind`, and never synchronized."""

    def __init__(self, behind: timedelta) -> None:
        self.behind = behind

    def clock(self) -> BestClock:
        """That of one run of the daemon."""
        return BestClock(system_now=lambda: datetime.now(UTC) - self.behind, is_synchronized=lambda: False)


@pytest.fixture
async def environment() -> AsyncIterator[Environment]:
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=3)
    network.form()
    network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
    async with simulated_environment(network) as environment:
        yield environment


def door_of(environment: Environment) -> Lock:
    door = environment.network.devices[DOOR]
    assert isinstance(door, Lock)
    return door


async def join_door(environment: Environment, phone: AppClient) -> None:
    await join_all(environment.network, phone, (door_of(environment),))
    key = {"keytype": 0, "key_name": "妈妈", "pass": PIN}
    assert (await phone.request(Category.LOCK, DOOR, ExecType.CREATE, param=key)).meaning is OperationStatus.CREATED


def unlocks(environment: Environment) -> list[datetime]:
    """When the cloud was told that the door had been opened."""
    sent = [message for message in environment.cloud.messages() if message["flag"] == "password_unlock"]
    return [parse_api_time(str(message["occur_time"]), ZONE) for message in sent]


async def until_told(environment: Environment, times: int) -> None:
    async with asyncio.timeout(60):
        while len(unlocks(environment)) < times:
            await asyncio.sleep(0.05)


def is_now(moment: datetime, tolerance_s: float = 90) -> bool:
    return abs(datetime.now(UTC) - moment) < timedelta(seconds=tolerance_s)


async def test_board_at_1970_dates_an_opening_by_the_clouds_clock(environment: Environment, tmp_path: Path) -> None:
    board = Board(SINCE_1970)
    settings = settings_for(environment, tmp_path)
    async with daemon.running(settings, PASSWORD, {}, clock=board.clock()), environment.phone() as phone:
        await join_door(environment, phone)
        assert door_of(environment).enter_pin(PIN)
        await until_told(environment, 1)
        seen = await phone.expect(lambda seen: seen.meaning is OperationStatus.UNLOCK_EVENT)
    assert is_now(unlocks(environment)[0])
    assert is_now(parse_api_time(seen.msg["update_time"], ZONE))


async def test_clock_that_steps_back_three_hours_dates_nothing_early(environment: Environment, tmp_path: Path) -> None:
    board = Board(timedelta())
    settings = settings_for(environment, tmp_path)
    async with daemon.running(settings, PASSWORD, {}, clock=board.clock()), environment.phone() as phone:
        await join_door(environment, phone)
        board.behind = timedelta(hours=3)
        assert door_of(environment).enter_pin(PIN)
        await until_told(environment, 1)
    assert is_now(unlocks(environment)[0])


@pytest.mark.parametrize("behind", [SINCE_1970, timedelta(hours=-3)], ids=["1970", "three hours ahead"])
@pytest.mark.parametrize("restarts", [0, 1])
async def test_openings_that_were_dated_wrongly_are_dated_anew_before_they_leave(
    environment: Environment, tmp_path: Path, restarts: int, behind: timedelta
) -> None:
    board = Board(timedelta())
    settings = settings_for(environment, tmp_path)
    async with daemon.running(settings, PASSWORD, {}, clock=board.clock()), environment.phone() as phone:
        await join_door(environment, phone)
    told = len(unlocks(environment))
    board.behind = behind
    environment.cloud.faults.fail("/", status=503, times=100_000)
    for run in range(restarts + 1):
        async with daemon.running(settings, PASSWORD, {}, clock=board.clock()) as console, environment.phone() as phone:
            async with asyncio.timeout(30):
                while not console.snapshots.radio().up:
                    await asyncio.sleep(0.05)
            if run == 0:
                for _ in range(3):
                    assert door_of(environment).enter_pin(PIN)
                    await asyncio.sleep(0.1)
                await phone.expect(lambda seen: seen.meaning is OperationStatus.UNLOCK_EVENT)
            if run == restarts:
                environment.cloud.faults.clear()
                await console.sync_now(NoParams())
                await until_told(environment, told + 3)
    assert all(is_now(moment) for moment in unlocks(environment)[told:])
    assert len(unlocks(environment)) == told + 3


async def test_notice_waits_for_the_time_and_an_answer_does_not(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dating, "NOTICES_WAIT_S", 60.0)
    board = Board(timedelta())
    settings = settings_for(environment, tmp_path)
    async with daemon.running(settings, PASSWORD, {}, clock=board.clock()), environment.phone() as phone:
        await join_door(environment, phone)
    board.behind = timedelta(hours=-3)
    environment.cloud.faults.fail("/", status=503, times=100_000)
    async with daemon.running(settings, PASSWORD, {}, clock=board.clock()) as console, environment.phone() as phone:
        async with asyncio.timeout(30):
            while not (console.snapshots.radio().up and console.snapshots.mqtt().up):
                await asyncio.sleep(0.05)
        assert door_of(environment).enter_pin(PIN)
        assert (await phone.request(Category.LOCK, DOOR, ExecType.QUERY)).meaning is OperationStatus.DEVICE_NORMAL
        await asyncio.sleep(1)
        assert not any(seen.meaning is OperationStatus.UNLOCK_EVENT for seen in phone.received)
        environment.cloud.faults.clear()
        await console.sync_now(NoParams())
        seen = await phone.expect(lambda seen: seen.meaning is OperationStatus.UNLOCK_EVENT)
    assert is_now(parse_api_time(seen.msg["update_time"], ZONE))
