"""`make bench`: gatewayd beside bare zigpy and zigbee2mqtt, each on a simulated house of its own, in one run.

Prints one table: the peer's figures, and gatewayd's as a ratio to each (below 1: gatewayd needs less). The machine's
speed drifts, so all of them run all the time, each thing is done to one after the other, in several rounds, and it is
the ratios that may be quoted.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench import measures
from bench.measures import Load, Spread
from bench.peers import Floor, Gatewayd, Peer, Zigbee2Mqtt
from bench.rig import OBSERVER, Rig
from gatewayd.simulator.environment import COORDINATOR, simulated_environment
from gatewayd.simulator.radio import Device, SimulatedNetwork, Switch, climate_sensor, switch

RATES = (50, 200, 500, 1000)
ROUNDS = 3
_TICK = 0.1
"""Per cent of CPU below which the system's clock ticks say nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A peer that runs, with the devices of its house."""

    name: str
    rig: Rig
    network: SimulatedNetwork
    lamps: Sequence[Switch]
    climate: Sequence[Device]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured: a figure for each peer, gatewayd's first."""

    what: str
    unit: str
    figures: Sequence[float]
    floor: float = 0.0
    """Below it a figure is as good as nothing, and no ratio is shown."""


@asynccontextmanager
async def running(kind: type[Peer], folder: Path, *, switches: int, sensors: int) -> AsyncIterator[Subject]:
    """A peer with its devices joined, until this is left."""
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=1)
    async with simulated_environment(
        network, users=("floor", "zigbee2mqtt", OBSERVER), superusers=(OBSERVER,)
    ) as environment:
        peer = kind(environment, folder / kind.name.replace(" ", "-"))
        lamps = [network.add(switch(f"00158d0002a0{n:04x}", channels=1), joined=False) for n in range(switches)]
        climate = [
            network.add(climate_sensor(f"00158d0004c0{n:04x}", poll_interval_s=0.2), joined=False)
            for n in range(sensors)
        ]
        async with Rig.on(peer) as rig:
            await rig.start()
            if (permit := peer.permit_join()) is not None:
                await rig.publish(*permit)
            await until_open(network)
            for device in (*lamps, *climate):
                await network.join(device)
                await rig.until_joined(device.ieee)
            progress(f"{kind.name}: {switches + sensors} devices joined")
            yield Subject(kind.name, rig, network, lamps, climate)


async def measure(subjects: Sequence[Subject], seconds: float) -> list[Row]:
    """Every figure of every subject."""
    await asyncio.sleep(3)  # what has just joined is being set up
    rows = await restarts(subjects)
    await asyncio.sleep(3)
    rows += await commands(subjects)
    progress("commands: done")
    single = await loads(subjects, 20, seconds)
    rows += latency("report → MQTT", single)
    for rate in RATES:
        rows += load(f"{rate} reports/s", await loads(subjects, rate, seconds))
        progress(f"{rate} reports/s: done")
    written = await asyncio.gather(*(measures.bytes_written(one.rig, one.climate) for one in subjects))
    idle = await asyncio.gather(*(measures.idle(one.rig) for one in subjects))
    rows.append(Row("idle, CPU", "%", idle, _TICK))
    rows.append(Row("memory (RSS)", "MB", [one.rig.cost().memory_info().rss / 1e6 for one in subjects]))
    rows.append(Row("written to disk, 1,000 reports", "KB", [count / 1e3 for count in written]))
    return rows


async def restarts(subjects: Sequence[Subject]) -> list[Row]:
    """Stopped and started with all its devices: the medians of the rounds."""
    took = [([await one.rig.stop()], [await one.rig.start()]) for one in subjects]
    for _ in range(ROUNDS - 1):
        for one, (stops, starts) in zip(subjects, took, strict=True):
            stops.append(await one.rig.stop())
            starts.append(await one.rig.start())
    return [
        Row("start → ready", "s", [median(starts) for _, starts in took]),
        Row("SIGTERM → gone", "s", [median(stops) for stops, _ in took]),
    ]


async def commands(subjects: Sequence[Subject]) -> list[Row]:
    """A hundred commands a round."""
    to_radio: list[list[float]] = [[] for _ in subjects]
    to_state: list[list[float]] = [[] for _ in subjects]
    for _ in range(ROUNDS):
        for place, one in enumerate(subjects):
            radio, state = await measures.commands(one.rig, one.network, one.lamps, 110)
            to_radio[place] += radio
            to_state[place] += state
    return [
        row
        for what, found in (("command → radio", to_radio), ("command → state", to_state))
        for row in spread(what, [Spread.of(seconds) for seconds in found])
    ]


async def loads(subjects: Sequence[Subject], rate: int, seconds: float) -> list[Load]:
    """`rate` reports a second, for so long a round."""
    rounds = [[await measures.reports(one.rig, one.climate, rate, seconds) for one in subjects] for _ in range(ROUNDS)]
    return [reduce(add, found) for found in zip(*rounds, strict=True)]


def spread(what: str, found: Sequence[Spread]) -> list[Row]:
    """A latency's rows."""
    return [
        Row(f"{what}, p50", "ms", [one.p50 for one in found]),
        Row(f"{what}, p99", "ms", [one.p99 for one in found]),
    ]


def latency(what: str, found: Sequence[Load]) -> list[Row]:
    """A load's latency."""
    return spread(what, [Spread.of(one.latencies) for one in found])


def load(what: str, found: Sequence[Load]) -> list[Row]:
    """All that a load costs."""
    return [
        *latency(what, found),
        Row(f"{what}, CPU", "%", [one.cpu for one in found]),
        Row(f"{what}, lost or overtaken", "", [one.lost for one in found]),
        Row(f"{what}, newest value lost", "", [one.newest_lost for one in found]),
    ]


async def until_open(network: SimulatedNetwork) -> None:
    """Wait until the peer lets devices join."""
    async with asyncio.timeout(30):
        while not network.ncp.permits_joining:
            await asyncio.sleep(0.01)


def progress(what: str) -> None:
    """A run takes minutes: say where it is."""
    print(what, file=sys.stderr, flush=True)


def table(names: Sequence[str], rows: Sequence[Row]) -> Table:
    """The figures side by side, and gatewayd's ratio to each other peer."""
    drawn = Table("", *names, *(f"÷ {name}" for name in names[1:]))
    for row in rows:
        ours, *others = row.figures
        ratios = [f"{ours / other:.2f}" if min(ours, other) > row.floor else "-" for other in others]
        drawn.add_row(row.what, *(f"{figure:.3g} {row.unit}".strip() for figure in row.figures), *ratios)
    return drawn


async def main() -> int:
    """Measure whom the command line names, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--without", action="append", default=[], choices=["bare zigpy", "zigbee2mqtt"])
    parser.add_argument("--seconds", type=float, default=4, help="how long each rate of reports is kept up, a round")
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--sensors", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="on a real disk, so that what is written counts")
    options = parser.parse_args()
    peers: list[type[Peer]] = [Gatewayd, Floor]
    if "zigbee2mqtt" not in options.without:
        if await Zigbee2Mqtt.install():
            peers.append(Zigbee2Mqtt)
        else:
            print("zigbee2mqtt is left out: npm did not bring it", file=sys.stderr)
    peers = [peer for peer in peers if peer.name not in options.without]
    with tempfile.TemporaryDirectory(dir=options.folder or Path.cwd(), prefix=".bench-") as folder:
        async with AsyncExitStack() as stack:
            subjects = [
                await stack.enter_async_context(
                    running(peer, Path(folder), switches=options.switches, sensors=options.sensors)
                )
                for peer in peers
            ]
            rows = await measure(subjects, options.seconds)
    Console(width=140).print(table([peer.name for peer in peers], rows))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
