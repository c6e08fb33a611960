"""The daemon is killed (SIGKILL) under a load of reports, lock events and commands, STORM_ROUNDS times (default: 5)."""

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
from gatewayd.simulator.environment import Environment, simulated_environment
from gatewayd.simulator.radio import Device, Lock, Switch, climate_sensor, lock, switch
from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE, TEMPERATURE
from tests.common.daemon_process import DaemonProcess
from tests.common.join_devices import is_gateway_online, join_all

ROUNDS = int(os.environ.get("STORM_ROUNDS", "5"))
PIN = "482913"


def is_final_answer_to(sn: str, message: ReceivedMessage) -> bool:
    return message.sn == sn and message.is_final_answer


class Commander:
    """A phone that switches one lamp; counts how often each of its requests was executed."""

    def __init__(self, phone: AppClient, lamp: Switch) -> None:
        self._phone = phone
        self._lamp = lamp
        self.requested: list[str] = []
        self.executions: dict[str, int] = {}

    async def send_requests(self, stop: asyncio.Event) -> None:
        """Switch the lamp, one request after the other, until `stop`."""
        while not stop.is_set():
            before = len(self._lamp.executed)
            on = len(self.requested) % 2
            sn = await self._phone.send(
                Category.SWITCH, self._lamp.ieee, ExecType.CONTROL, param={"operate": on, "operate_channel_id": 1}
            )
            self.requested.append(sn)
            waiting = asyncio.create_task(self._phone.expect(partial(is_final_answer_to, sn)))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (waiting, stopping):
                task.cancel()
            self.executions[sn] = len(self._lamp.executed) - before

    async def repeat_last_request(self) -> None:
        """After a restart: send the last request again, and count whether it is executed once more."""
        sn = self.requested[-1]
        if any(one.sn == sn and one.meaning is OperationStatus.CONTROLLING for one in self._phone.received):
            await self._phone.expect(partial(is_final_answer_to, sn))
        before = len(self._lamp.executed)
        await self._phone.send(
            Category.SWITCH,
            self._lamp.ieee,
            ExecType.CONTROL,
            sn=sn,
            param={"operate": 1, "operate_channel_id": 1},
        )
        await self._phone.expect(partial(is_final_answer_to, sn))
        self.executions[sn] += len(self._lamp.executed) - before


@pytest.fixture
async def environment() -> AsyncIterator[Environment]:
    async with simulated_environment() as environment:
        yield environment


async def test_killed_daemon_loses_no_event_and_executes_no_request_twice(
    environment: Environment, tmp_path: Path
) -> None:
    chance = random.Random(7)
    lamps = [environment.network.add(switch(f"00158d0002a0000{n}", channels=1)) for n in range(4)]
    door = environment.network.add(lock("00158d0003b00001", log_records=200, poll_interval_s=0.01))
    sensors = [environment.network.add(climate_sensor(f"00158d0004c0000{n}", poll_interval_s=0.1)) for n in range(5)]
    async with DaemonProcess(environment, tmp_path) as daemon, environment.phone() as phone:
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
                    tasks.create_task(commander.send_requests(stop))
                reporting = tasks.create_task(report_values(sensors))
                opened += await open_door(door, seconds=chance.uniform(0.2, 0.8), chance=chance)
                await daemon.kill()
                stop.set()
                reporting.cancel()
            opened += await open_door(door, seconds=0.2, chance=chance)
            since = asyncio.get_running_loop().time()
            await daemon.start()
            await phone.expect(is_gateway_online, since=since, timeout_s=30)
            for commander in commanders:
                await commander.repeat_last_request()
            await messages_settled(environment, opened)
        assert await daemon.stop() == 0

        assert Counter(message["flag"] for message in environment.cloud.messages())["password_unlock"] == opened
        published = {
            message.sn
            for message in phone.received
            if door.ieee in message.topic and message.meaning is OperationStatus.UNLOCK_EVENT
        }
        assert len(published) == opened
        for commander in commanders:
            assert all(count <= 1 for count in commander.executions.values()), commander.executions
        begun = {message.sn for message in phone.received if message.meaning is OperationStatus.CONTROLLING}
        answered = {message.sn for message in phone.received if message.is_final_answer}
        assert begun <= answered
        requests = sum(len(commander.requested) for commander in commanders)
        print(f"{ROUNDS} kills, {requests} commands, {opened} openings: none lost, none twice")  # noqa: T201


async def open_door(door: Lock, *, seconds: float, chance: random.Random) -> int:
    """Open the door at random times for so many seconds; returns how often."""
    ends = asyncio.get_running_loop().time() + seconds
    opened = 0
    while asyncio.get_running_loop().time() < ends:
        assert door.enter_pin(PIN)
        opened += 1
        await asyncio.sleep(chance.uniform(0.01, 0.1))
    return opened


async def report_values(sensors: Sequence[Device]) -> None:
    """250 reports a second, until cancelled."""
    value = 0
    while True:
        for sensor in sensors:
            value += 1
            sensor.report_now(1, TEMPERATURE, MEASURED_VALUE, 1000 + value % 5000)
        await asyncio.sleep(0.02)


async def messages_settled(environment: Environment, opened: int) -> None:
    """Wait until the cloud has all messages, and a little longer for one too many; or until no more come for 5 s."""
    before, unchanged = -1, 0
    while unchanged < 50:
        await asyncio.sleep(0.1)
        now = sum(message["flag"] == "password_unlock" for message in environment.cloud.messages())
        unchanged = unchanged + 1 if now == before else 0
        before = now
        if now >= opened:
            await asyncio.sleep(0.3)
            return
