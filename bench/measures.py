"""The measurements: each does one thing to a peer and returns what it cost. How they are combined is `__main__`'s."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from typing import Any

from bench.peer_process import PeerProcess, ignore_message
from gatewayd.simulator.radio import Device, ExecutedCommand, SimulatedNetwork, Switch
from gatewayd.simulator.radio.devices.climate import MEASURED_VALUE, TEMPERATURE
from gatewayd.simulator.radio.devices.common import ON_OFF

_WARM_UP = 10
"""The first commands of a run, which are not counted."""
_numbers = count(1)


class BrokenPeerError(Exception):
    """A peer executes so few of its commands that its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies in milliseconds: median and 99th percentile."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Of latencies in seconds; NaN where there are fewer than two."""
        if len(seconds) < 2:
            return cls(float("nan"), float("nan"))
        cuts = quantiles(seconds, n=100, method="inclusive")
        return cls(cuts[49] * 1e3, cuts[98] * 1e3)


@dataclass(frozen=True, slots=True)
class Load:
    """What reports at a steady rate cost. Loads of several rounds can be added."""

    latencies: tuple[float, ...]  # seconds
    lost: int  # values that did not arrive: lost, or replaced by a newer one
    newest_lost: int  # sensors whose last value did not arrive
    cpu_s: float
    took_s: float

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.latencies + other.latencies,
            self.lost + other.lost,
            self.newest_lost + other.newest_lost,
            self.cpu_s + other.cpu_s,
            self.took_s + other.took_s,
        )

    @property
    def cpu(self) -> float:
        """Per cent of one core."""
        return self.cpu_s / self.took_s * 100


async def commands(
    process: PeerProcess, network: SimulatedNetwork, switches: Sequence[Switch], times: int
) -> tuple[list[float], list[float]]:
    """Seconds (command → radio, command → state) of each command, one after the other; the first ten are left out."""
    to_radio: list[float] = []
    to_state: list[float] = []
    lost = 0
    for number in range(times):
        device = switches[number % len(switches)]
        on = not device.is_on(1)
        radio: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        state: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def on_command(target: Device, command: ExecutedCommand, device: Switch = device, radio: Any = radio) -> None:
            if target is device and command.cluster == ON_OFF and not radio.done():
                radio.set_result(command.at)

        def on_message(
            topic: str, payload: Any, at: float, device: Switch = device, state: Any = state, on: bool = on
        ) -> None:
            if not state.done() and process.peer.switched(topic, payload) == (device.ieee, on):
                state.set_result(at)

        network.on_command, process.on_message = on_command, on_message
        sent = asyncio.get_running_loop().time()
        await process.publish(*process.peer.command(device.ieee, on=on, number=next(_numbers)))
        try:
            async with asyncio.timeout(5):
                to_radio.append(await radio - sent)
                to_state.append(await state - sent)
        except TimeoutError:
            lost += 1
            if lost > times // 20:
                raise BrokenPeerError(f"{process.peer.name}: {lost} of {number + 1} commands had no effect") from None
        await asyncio.sleep(0.005)
    network.on_command, process.on_message = None, ignore_message
    return to_radio[_WARM_UP:], to_state[_WARM_UP:]


async def reports(process: PeerProcess, sensors: Sequence[Device], rate: int, seconds: float) -> Load:
    """`rate` reports a second, of the sensors in turn, each with another value."""
    clock = asyncio.get_running_loop().time
    sent: dict[tuple[str, float], float] = {}
    newest: dict[str, float] = {}
    latencies: list[float] = []

    def on_message(topic: str, payload: Any, at: float) -> None:
        found = process.peer.temperature(topic, payload)
        if found is not None and (start := sent.pop(found, None)) is not None:
            latencies.append(at - start)

    process.on_message = on_message
    cost = process.cost()
    before, started = cost.cpu_times(), clock()
    total = int(rate * seconds)
    for number in range(total):
        sensor = sensors[number % len(sensors)]
        value = 1000 + next(_numbers) % 5000
        sent[sensor.ieee, value / 100] = clock()
        newest[sensor.ieee] = value / 100
        sensor.report_now(1, TEMPERATURE, MEASURED_VALUE, value)
        pause = started + (number + 1) / rate - clock()
        await asyncio.sleep(max(0.0, pause))
    took = clock() - started
    after = cost.cpu_times()
    deadline = clock() + 3
    while sent and clock() < deadline:
        await asyncio.sleep(0.02)
    process.on_message = ignore_message
    return Load(tuple(latencies), len(sent), len(sent.keys() & newest.items()), _used(before, after), took)


async def bytes_written(process: PeerProcess, sensors: Sequence[Device], settle_s: float = 7) -> int:
    """Bytes written to disk for 1,000 reports at 100 a second, those that are written later included."""
    await asyncio.sleep(settle_s)
    cost = process.cost()
    before = cost.io_counters().write_bytes
    await reports(process, sensors, 100, 10)
    await asyncio.sleep(settle_s)
    return int(cost.io_counters().write_bytes - before)


async def idle(process: PeerProcess, seconds: float = 30) -> float:
    """CPU while nothing happens, in per cent of one core."""
    cost = process.cost()
    before = cost.cpu_times()
    await asyncio.sleep(seconds)
    return _used(before, cost.cpu_times()) / seconds * 100


def _used(before: Any, after: Any) -> float:
    return float(after.user + after.system - before.user - before.system)
