"""`python -m bench.soak --minutes 30`: gatewayd under a steady load with faults, and the resources that it uses.

Sensors report, lamps are switched, the door is opened; now and then the coordinator resets and the broker is killed.
Prints a line a minute: memory, open files, threads, bytes on disk. What grows from line to line is a leak.
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
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import COORDINATOR, Environment, simulated_environment
from gatewayd.simulator.radio import Device, Lock, SimulatedNetwork, Switch, climate_sensor, lock, switch
from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE, TEMPERATURE
from tests.common.join_devices import join_all

_PIN = "482913"
_REPORTS_A_SECOND = 50
_COORDINATOR_RESET_S, _BROKER_RESTART_S = 97, 151


@dataclass(frozen=True, slots=True)
class LoadedGateway:
    """The gateway's process, its environment, and the devices that are kept busy."""

    environment: Environment
    phone: AppClient
    process: psutil.Process
    lamps: Sequence[Switch]
    sensors: Sequence[Device]
    door: Lock


@asynccontextmanager
async def loaded_gateway(folder: Path) -> AsyncIterator[LoadedGateway]:
    """Ten lamps, forty sensors and a lock with a PIN code, joined."""
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
        running(Gatewayd(environment, folder)) as process,
    ):
        await join_all(network, phone, (*lamps, *sensors, door))
        key = {"keytype": 0, "key_name": "妈妈", "pass": _PIN}
        await phone.request(Category.LOCK, door.ieee, ExecType.CREATE, param=key)
        yield LoadedGateway(environment, phone, process, lamps, sensors, door)


@asynccontextmanager
async def running(peer: Gatewayd) -> AsyncIterator[psutil.Process]:
    """The daemon as a process; it logs to output.log in its folder."""
    peer.prepare()
    command, environment = peer.command_line()
    with (peer.state / "output.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def apply_load(gateway: LoadedGateway) -> None:
    """Fifty reports a second, each second a lamp, each third second the door."""
    for number in count():
        gateway.sensors[number % len(gateway.sensors)].report_now(1, TEMPERATURE, MEASURED_VALUE, 1000 + number % 5000)
        second, into_it = divmod(number, _REPORTS_A_SECOND)
        if into_it == 0:
            lamp, on = gateway.lamps[second % len(gateway.lamps)], second // len(gateway.lamps) % 2
            param = {"operate": on, "operate_channel_id": 1}
            await gateway.phone.send(Category.SWITCH, lamp.ieee, ExecType.CONTROL, param=param)
        if number % (3 * _REPORTS_A_SECOND) == 0:
            gateway.door.enter_pin(_PIN)
        await asyncio.sleep(1 / _REPORTS_A_SECOND)


async def reset_coordinator(gateway: LoadedGateway) -> None:
    """Reset the coordinator at intervals."""
    while True:
        await asyncio.sleep(_COORDINATOR_RESET_S)
        gateway.environment.network.faults.reset_ncp()


async def restart_broker(gateway: LoadedGateway) -> None:
    """Kill and restart the broker at intervals."""
    while True:
        await asyncio.sleep(_BROKER_RESTART_S)
        await gateway.environment.broker.kill()
        await gateway.environment.broker.restart()


def resources(gateway: LoadedGateway, minute: int, folder: Path) -> str:
    """The line of what the gateway uses now."""
    process = gateway.process
    with process.oneshot():
        memory, files, threads = process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()
    disk = sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith(("gatewayd.db", "zigbee.db")))
    return f"{minute:4} min  {memory:6.1f} MB  {files:3} files  {threads:2} threads  {disk / 1e3:7.0f} KB on disk"


async def main() -> int:
    """Run for as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        async with loaded_gateway(folder) as gateway, asyncio.TaskGroup() as tasks:
            running_parts = [
                tasks.create_task(part(gateway)) for part in (apply_load, reset_coordinator, restart_broker)
            ]
            for minute in range(options.minutes + 1):
                print(resources(gateway, minute, folder), flush=True)
                await asyncio.sleep(60 if minute < options.minutes else 0)
            for task in running_parts:
                task.cancel()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
