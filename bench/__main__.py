"""`make bench`: gatewayd beside bare zigpy and zigbee2mqtt, each on a simulated network of its own, in one run.

Prints one table: every peer's figures, and gatewayd's as a ratio to each (below 1: gatewayd needs less). The machine's
speed drifts, so all of them run all the time and are measured in turn, in several rounds; only the ratios are worth
quoting.
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
from bench.peer_process import OBSERVER, PeerProcess
from bench.peers import BareZigpy, Gatewayd, Peer, Zigbee2Mqtt, baseline
from gatewayd.simulator.environment import COORDINATOR, simulated_environment
from gatewayd.simulator.radio import Device, SimulatedNetwork, Switch, climate_sensor, switch

RATES = (50, 200, 500, 1000)
ROUNDS = 3
_TICK = 0.1
"""Per cent of CPU below which the system's clock ticks are too coarse."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A running peer, with the devices of its network."""

    name: str
    process: PeerProcess
    network: SimulatedNetwork
    lamps: Sequence[Switch]
    climate: Sequence[Device]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: a figure for each peer, gatewayd's first. No ratio is shown of figures at or below `floor`."""

    what: str
    unit: str
    figures: Sequence[float]
    floor: float = 0.0


@asynccontextmanager
async def running(kind: type[Peer], folder: Path, *, switches: int, sensors: int) -> AsyncIterator[Subject]:
    """A peer with its devices joined."""
    network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=1)
    async with simulated_environment(
        network, users=(BareZigpy.user, Zigbee2Mqtt.user, OBSERVER), superusers=(OBSERVER,)
    ) as environment:
        peer = kind(environment, folder / kind.name.replace(" ", "-"))
        lamps = [network.add(switch(f"00158d0002a0{n:04x}", channels=1), joined=False) for n in range(switches)]
        climate = [
            network.add(climate_sensor(f"00158d0004c0{n:04x}", poll_interval_s=0.2), joined=False)
            for n in range(sensors)
        ]
        async with PeerProcess.connect(peer) as process:
            await process.start()
            if (permit := peer.permit_join()) is not None:
                await process.publish(*permit)
            await wait_until_open(network)
            for device in (*lamps, *climate):
                await network.join(device)
                await process.wait_until_joined(device.ieee)
            progress(f"{kind.name}: {switches + sensors} devices joined")
            yield Subject(kind.name, process, network, lamps, climate)


async def measure(subjects: Sequence[Subject], seconds: float) -> list[Row]:
    """Every figure of every subject."""
    await asyncio.sleep(3)  # devices that have just joined are being configured
    rows = await restarts(subjects)
    await asyncio.sleep(3)
    rows += await commands(subjects)
    progress("commands: done")
    single = await loads(subjects, 20, seconds)
    rows += latency("report → MQTT", single)
    for rate in RATES:
        rows += load(f"{rate} reports/s", await loads(subjects, rate, seconds))
        progress(f"{rate} reports/s: done")
    written = await asyncio.gather(*(measures.bytes_written(one.process, one.climate) for one in subjects))
    idle = await asyncio.gather(*(measures.idle(one.process) for one in subjects))
    rows.append(Row("idle, CPU", "%", idle, _TICK))
    rows.append(Row("memory (RSS)", "MB", [one.process.cost().memory_info().rss / 1e6 for one in subjects]))
    rows.append(Row("written to disk, 1,000 reports", "KB", [count / 1e3 for count in written]))
    return rows


async def restarts(subjects: Sequence[Subject]) -> list[Row]:
    """Stop and start with all devices: the medians of the rounds."""
    took = [([await one.process.stop()], [await one.process.start()]) for one in subjects]
    for _ in range(ROUNDS - 1):
        for one, (stops, starts) in zip(subjects, took, strict=True):
            stops.append(await one.process.stop())
            starts.append(await one.process.start())
    return [
        Row("start → ready", "s", [median(starts) for _, starts in took]),
        Row("SIGTERM → exit", "s", [median(stops) for stops, _ in took]),
    ]


async def commands(subjects: Sequence[Subject]) -> list[Row]:
    """A hundred commands a round."""
    to_radio: list[list[float]] = [[] for _ in subjects]
    to_state: list[list[float]] = [[] for _ in subjects]
    for _ in range(ROUNDS):
        for place, one in enumerate(subjects):
            radio, state = await measures.commands(one.process, one.network, one.lamps, 110)
            to_radio[place] += radio
            to_state[place] += state
    return [
        row
        for what, found in (("command → radio", to_radio), ("command → state", to_state))
        for row in spread(what, [Spread.of(seconds) for seconds in found])
    ]


async def loads(subjects: Sequence[Subject], rate: int, seconds: float) -> list[Load]:
    """`rate` reports a second, for so long a round."""
    rounds = [
        [await measures.reports(one.process, one.climate, rate, seconds) for one in subjects] for _ in range(ROUNDS)
    ]
    return [reduce(add, found) for found in zip(*rounds, strict=True)]


def spread(what: str, found: Sequence[Spread]) -> list[Row]:
    """The rows of a latency."""
    return [
        Row(f"{what}, p50", "ms", [one.p50 for one in found]),
        Row(f"{what}, p99", "ms", [one.p99 for one in found]),
    ]


def latency(what: str, found: Sequence[Load]) -> list[Row]:
    """The rows of a load's latency."""
    return spread(what, [Spread.of(one.latencies) for one in found])


def load(what: str, found: Sequence[Load]) -> list[Row]:
    """The rows of a load."""
    return [
        *latency(what, found),
        Row(f"{what}, CPU", "%", [one.cpu for one in found]),
        Row(f"{what}, lost or replaced", "", [one.lost for one in found]),
        Row(f"{what}, newest value lost", "", [one.newest_lost for one in found]),
    ]


async def wait_until_open(network: SimulatedNetwork) -> None:
    """Wait until the peer permits joining."""
    async with asyncio.timeout(30):
        while not network.ncp.permits_joining:
            await asyncio.sleep(0.01)


def progress(what: str) -> None:
    """A run takes minutes: print how far it is."""
    print(what, file=sys.stderr, flush=True)


def table(names: Sequence[str], rows: Sequence[Row]) -> Table:
    """The figures side by side, and gatewayd's ratio to each other peer."""
    drawn = Table("", *names, *(f"÷ {name}" for name in names[1:]))
    for row in rows:
        gatewayd, *others = row.figures
        ratios = [f"{gatewayd / other:.2f}" if min(gatewayd, other) > row.floor else "-" for other in others]
        drawn.add_row(row.what, *(f"{figure:.3g} {row.unit}".strip() for figure in row.figures), *ratios)
    return drawn


async def main() -> int:
    """Measure the peers that the command line names, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--without", action="append", default=[], choices=["bare zigpy", "zigbee2mqtt"])
    parser.add_argument("--seconds", type=float, default=4, help="how long each rate of reports is kept up, a round")
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--sensors", type=int, default=40)
    parser.add_argument("--baseline", type=Path, help="another checkout, to be measured beside this one")
    parser.add_argument("--folder", type=Path, help="on a real disk, so that what is written counts")
    options = parser.parse_args()
    peers: list[type[Peer]] = [Gatewayd, BareZigpy]
    if options.baseline is not None:
        peers.insert(1, baseline(options.baseline))
    if "zigbee2mqtt" not in options.without:
        if await Zigbee2Mqtt.install():
            peers.append(Zigbee2Mqtt)
        else:
            print("zigbee2mqtt is left out: npm could not install it", file=sys.stderr)
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
