"""kill -9 in the middle of a storm of reports, lock events and commands, again and again.

STORM_ROUNDS says how often (5 where nobody says).
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, Environment, simulated_environment
from gatewayd.simulator.radio import Device, Lock, Switch, climate_sensor, lock, switch
from tests.common.daemon_process import Daemon
from tests.common.join_devices import join_all

ROUNDS = int(os.environ.get("STORM_ROUNDS", "5"))
PIN = "482913"


def is_final_of(sn: str, seen: ReceivedMessage) -> bool:
    return seen.sn == sn and seen.is_final_answer


class Commander:
    """A phone that switches one lamp, and keeps account of what was promised and what was done."""

    def __init__(self, phone: AppClient, lamp: Switch) -> None:
        self._phone = phone
        self._lamp = lamp
        self.asked: list[str] = []
        self.executed_by: dict[str, int] = {}

    async def storm(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            before = len(self._lamp.executed)
            on = len(self.asked) % 2
            sn = await self._phone.send(
                Category.SWITCH, self._lamp.ieee, ExecType.CONTROL, param={"operate": on, "operate_channel_id": 1}
            )
            self.asked.append(sn)
            waiting = asyncio.create_task(self._phone.expect(partial(is_final_of, sn)))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (waiting, stopping):
                task.cancel()
            self.executed_by[sn] = len(self._lamp.executed) - before

    async def ask_the_last_again(self) -> None:
        """After the restart: the same request must not be carried out a second time."""
        sn = self.asked[-1]
        if any(seen.sn == sn and seen.meaning is OperationStatus.CONTROLLING for seen in self._phone.received):
            await self._phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer)
        before = len(self._lamp.executed)
        await self._phone.send(
            Category.SWITCH,
            self._lamp.ieee,
            ExecType.CONTROL,
            sn=sn,
            param={"operate": 1, "operate_channel_id": 1},
        )
        await self._phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer)
        self.executed_by[sn] += len(self._lamp.executed) - before


@pytest.fixture
async def environment() -> AsyncIterator[Environment]:
    async with simulated_environment() as environment:
        yield environment


async def is_up_again(phone: AppClient, since: float) -> None:
    await phone.expect(
        lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.NORMAL, since=since, timeout_s=30
    )


async def test_nothing_is_lost_and_nothing_happens_twice(environment: Environment, tmp_path: Path) -> None:
    chance = random.Random(7)
    lamps = [environment.network.add(switch(f"00158d0002a0000{n}", channels=1)) for n in range(4)]
    door = environment.network.add(lock("00158d0003b00001", log_records=200, poll_interval_s=0.01))
    sensors = [environment.network.add(climate_sensor(f"00158d0004c0000{n}", poll_interval_s=0.1)) for n in range(5)]
    async with Daemon(environment, tmp_path) as daemon, environment.phone() as phone:
        await daemon.start()
        await join_all(environment.network, phone, [*lamps, door, *sensors])
        added = await phone.request(
            Category.LOCK,
            door.ieee,
            ExecType.CREATE,
            param={"keytype": 0, "key_name": "妈妈", "pass": PIN},
        )
        assert added.meaning is OperationStatus.CREATED
        commanders = [Commander(phone, lamp) for lamp in lamps]
        opened = 0
        for _ in range(ROUNDS):
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for commander in commanders:
                    tasks.create_task(commander.storm(stop))
                reporting = tasks.create_task(report(sensors))
                opened += await open_the_door(door, seconds=chance.uniform(0.2, 0.8), chance=chance)
                await daemon.kill()
                stop.set()
                reporting.cancel()
            opened += await open_the_door(door, seconds=0.2, chance=chance)
            since = asyncio.get_running_loop().time()
            await daemon.start()
            await is_up_again(phone, since)
            for commander in commanders:
                await commander.ask_the_last_again()
            await settled(environment, opened)
        assert await daemon.stop() == 0

        assert Counter(message["flag"] for message in environment.cloud.messages())["password_unlock"] == opened
        notices = Counter(
            seen.sn
            for seen in phone.received
            if door.ieee in seen.topic and seen.meaning is OperationStatus.UNLOCK_EVENT
        )
        assert len(notices) == opened
        for commander in commanders:
            assert all(times <= 1 for times in commander.executed_by.values()), commander.executed_by
        promised = {seen.sn for seen in phone.received if seen.meaning is OperationStatus.CONTROLLING}
        answered = {seen.sn for seen in phone.received if seen.is_final_answer}
        assert promised <= answered
        requests = sum(len(commander.asked) for commander in commanders)
        print(f"{ROUNDS} kills, {requests} commands, {opened} openings: none lost, none twice")  # noqa: T201


async def open_the_door(door: Lock, *, seconds: float, chance: random.Random) -> int:
    """Open the door now and then for a while; returns how often."""
    ends = asyncio.get_running_loop().time() + seconds
    opened = 0
    while asyncio.get_running_loop().time() < ends:
        assert door.enter_pin(PIN)
        opened += 1
        await asyncio.sleep(chance.uniform(0.01, 0.1))
    return opened


async def report(sensors: Sequence[Device]) -> None:
    value = 0
    while True:
        for sensor in sensors:
            value += 1
            sensor.report_now(1, 0x0402, 0, 1000 + value % 5000)
        await asyncio.sleep(0.02)


async def settled(environment: Environment, opened: int) -> None:
    """Wait until the cloud has all the messages, and then a little for one too many; or until nothing more comes."""
    before, still = -1, 0
    while still < 50:
        await asyncio.sleep(0.1)
        now = sum(message["flag"] == "password_unlock" for message in environment.cloud.messages())
        still = still + 1 if now == before else 0
        before = now
        if now >= opened:
            await asyncio.sleep(0.3)
            return
