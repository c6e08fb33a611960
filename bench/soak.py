"""`python -m bench.soak --minutes 30`: gatewayd in a busy house where things break, and what it holds on to.

Sensors report, lamps are switched, the door is opened; now and then the radio resets and the broker dies. One line a
minute: memory, open files, threads, bytes on disk. What grows from line to line is a leak.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from bench.peers import Gatewayd
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, Environment, simulated_environment
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, Switch, climate_sensor, lock, switch

_PIN = "482913"
_REPORTS_A_SECOND = 50
_RADIO_RESETS_EVERY_S, _BROKER_DIES_EVERY_S = 97, 151


@dataclass(frozen=True, slots=True)
class Home:
    """A house that is kept busy, and the gateway's process in it."""

    environment: Environment
    phone: AppClient
    process: psutil.Process
    lamps: Sequence[Switch]
    sensors: Sequence[Device]
    door: Lock


@asynccontextmanager
async def home(folder: Path) -> AsyncIterator[Home]:
    """Ten lamps, forty sensors and a door with a key, joined."""
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=1)
    network.form()
    lamps = [network.add(switch(f"00158d0002a0{n:04x}", channels=1), joined=False) for n in range(10)]
    sensors = [
        network.add(climate_sensor(f"00158d0004c0{n:04x}", poll_interval_s=0.5), joined=False) for n in range(40)
    ]
    door = network.add(lock("00158d0003b00001", poll_interval_s=0.2, log_records=100), joined=False)
    async with (
        simulated_environment(network) as environment,
        environment.phone() as phone,
        gateway(Gatewayd(environment, folder)) as process,
    ):
        await phone.expect(
            lambda seen: COORDINATOR in seen.topic and seen.meaning is OperationStatus.NORMAL, timeout_s=30
        )
        await phone.request(Category.GATEWAY, COORDINATOR, ExecType.CREATE, param={"duration": 254})
        for device in (*lamps, *sensors, door):
            await network.join(device)
        while not any(door.ieee in seen.topic and seen.meaning is OperationStatus.CREATED for seen in phone.received):
            await asyncio.sleep(0.1)
        key = {"keytype": 0, "key_name": "妈妈", "pass": _PIN}
        await phone.request(Category.LOCK, door.ieee, ExecType.CREATE, param=key)
        yield Home(environment, phone, process, lamps, sensors, door)


@asynccontextmanager
async def gateway(peer: Gatewayd) -> AsyncIterator[psutil.Process]:
    """The daemon as a process; what it logs goes to the folder's output.log."""
    peer.prepare()
    command, environment = peer.command_line()
    with (peer.state / "output.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def live(home: Home) -> None:
    """Reports all the time, each second a lamp, each third second the door."""
    for number in count():
        home.sensors[number % len(home.sensors)].report_now(1, 0x0402, 0, 1000 + number % 5000)
        second, into_it = divmod(number, _REPORTS_A_SECOND)
        if into_it == 0:
            lamp, on = home.lamps[second % len(home.lamps)], second // len(home.lamps) % 2
            param = {"operate": on, "operate_channel_id": 1}
            await home.phone.send(Category.SWITCH, lamp.ieee, ExecType.CONTROL, param=param)
        if number % (3 * _REPORTS_A_SECOND) == 0:
            home.door.enter_pin(_PIN)
        await asyncio.sleep(1 / _REPORTS_A_SECOND)


async def reset_radio(home: Home) -> None:
    """The coordinator restarts, again and again."""
    while True:
        await asyncio.sleep(_RADIO_RESETS_EVERY_S)
        home.environment.network.faults.reset_ncp()


async def kill_broker(home: Home) -> None:
    """The broker dies and comes back, again and again."""
    while True:
        await asyncio.sleep(_BROKER_DIES_EVERY_S)
        await home.environment.broker.kill()
        await home.environment.broker.restart()


def line(home: Home, minute: int, folder: Path) -> str:
    """What the gateway holds now."""
    process = home.process
    with process.oneshot():
        memory, files, threads = process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()
    disk = sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith(("gatewayd.db", "zigbee.db")))
    return f"{minute:4} min  {memory:6.1f} MB  {files:3} files  {threads:2} threads  {disk / 1e3:7.0f} KB on disk"


async def main() -> int:
    """Soak for as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        async with home(folder) as busy, asyncio.TaskGroup() as tasks:
            living = [tasks.create_task(part(busy)) for part in (live, reset_radio, kill_broker)]
            for minute in range(options.minutes + 1):
                print(line(busy, minute, folder), flush=True)
                await asyncio.sleep(60 if minute < options.minutes else 0)
            for task in living:
                task.cancel()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
