"""The measurements: each does one thing to a peer and says what came of it. Times are milliseconds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from typing import Any

from bench.rig import Rig
from gatewayd.simulator.radio import Device, ExecutedCommand, SimulatedNetwork, Switch

_TEMPERATURE = 0x0402
_numbers = count(1)


class BrokenPeerError(Exception):
    """A peer does so little of what it is asked that its figures would say nothing."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies: median and 99th per cent."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        if len(seconds) < 2:
            return cls(float("nan"), float("nan"))
        cuts = quantiles(seconds, n=100, method="inclusive")
        return cls(cuts[49] * 1e3, cuts[98] * 1e3)


@dataclass(frozen=True, slots=True)
class Load:
    """What reports at a steady rate cost. Loads of several rounds add up."""

    latencies: tuple[float, ...]  # seconds
    lost: int  # values that never came, because a newer one overtook them or for good
    newest_lost: int  # sensors whose last value never came
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
    rig: Rig, network: SimulatedNetwork, switches: Sequence[Switch], times: int
) -> tuple[list[float], list[float]]:
    """Seconds (command → radio, command → state), one command after the other."""
    to_radio: list[float] = []
    to_state: list[float] = []
    lost = 0
    for number in range(times):
        device = switches[number % len(switches)]
        on = not device.is_on(1)
        radio: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        state: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def executed(who: Device, what: ExecutedCommand, device: Switch = device, radio: Any = radio) -> None:
            if who is device and what.cluster == 0x0006 and not radio.done():
                radio.set_result(what.at)

        def said(
            topic: str, payload: Any, at: float, device: Switch = device, state: Any = state, on: bool = on
        ) -> None:
            if not state.done() and rig.peer.switched(topic, payload) == (device.ieee, on):
                state.set_result(at)

        network.on_command, rig.on_message = executed, said
        sent = asyncio.get_running_loop().time()
        await rig.publish(*rig.peer.command(device.ieee, on=on, number=next(_numbers)))
        try:
            async with asyncio.timeout(5):
                to_radio.append(await radio - sent)
                to_state.append(await state - sent)
        except TimeoutError:
            lost += 1
            if lost > times // 20:
                raise BrokenPeerError(f"{rig.peer.name}: {lost} of {number + 1} commands came to nothing") from None
        await asyncio.sleep(0.005)
    network.on_command, rig.on_message = None, lambda topic, payload, at: None
    return to_radio[10:], to_state[10:]  # the first warm it up


async def reports(rig: Rig, sensors: Sequence[Device], rate: int, seconds: float) -> Load:
    """`rate` reports a second, spread over the sensors, each with a value of its own."""
    clock = asyncio.get_running_loop().time
    sent: dict[tuple[str, float], float] = {}
    newest: dict[str, float] = {}
    latencies: list[float] = []

    def said(topic: str, payload: Any, at: float) -> None:
        found = rig.peer.temperature(topic, payload)
        if found is not None and (start := sent.pop(found, None)) is not None:
            latencies.append(at - start)

    rig.on_message = said
    process = rig.cost()
    before, started = process.cpu_times(), clock()
    total = int(rate * seconds)
    for number in range(total):
        sensor = sensors[number % len(sensors)]
        value = 1000 + next(_numbers) % 5000
        sent[sensor.ieee, value / 100] = clock()
        newest[sensor.ieee] = value / 100
        sensor.report_now(1, _TEMPERATURE, 0, value)
        pause = started + (number + 1) / rate - clock()
        await asyncio.sleep(max(0.0, pause))
    took = clock() - started
    after = process.cpu_times()
    deadline = clock() + 3
    while sent and clock() < deadline:
        await asyncio.sleep(0.02)
    rig.on_message = lambda topic, payload, at: None
    return Load(tuple(latencies), len(sent), len(sent.keys() & newest.items()), _used(before, after), took)


async def bytes_written(rig: Rig, sensors: Sequence[Device], settle_s: float = 7) -> int:
    """Bytes to disk for 1,000 reports at 100 a second, until everything that waits has been written."""
    await asyncio.sleep(settle_s)
    process = rig.cost()
    before = process.io_counters().write_bytes
    await reports(rig, sensors, 100, 10)
    await asyncio.sleep(settle_s)
    return int(process.io_counters().write_bytes - before)


async def idle(rig: Rig, seconds: float = 30) -> float:
    """CPU of a house in which nothing happens, in per cent of one core."""
    process = rig.cost()
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    return _used(before, process.cpu_times()) / seconds * 100


def _used(before: Any, after: Any) -> float:
    return float(after.user + after.system - before.user - before.system)
