"""`make bench`: gatewayd beside bare zigpy and zigbee2mqtt, each on a simulated house of its own, in one run.

Prints one table: the peer's figures, and gatewayd's as a ratio to each (below 1: gatewayd needs less). The machine's
speed drifts, so it is the ratios that may be quoted.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import measures
from bench.peers import Floor, Gatewayd, Peer, Zigbee2Mqtt
from bench.rig import OBSERVER, Rig
from gatewayd.simulator.radio import House, climate_sensor, switch
from gatewayd.simulator.world import COORDINATOR, world

RATES = (50, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured of one peer, row by row as the table shows it: (what, unit, figure)."""

    peer: str
    rows: tuple[tuple[str, str, float], ...]


async def measure(kind: type[Peer], folder: Path, *, switches: int, sensors: int, seconds: float) -> Figures:
    """Join the devices, restart, and take every figure."""
    house = House(coordinator_ieee=COORDINATOR, seed=1)
    async with world(house, users=("floor", "zigbee2mqtt", OBSERVER), everything=(OBSERVER,)) as around:
        peer = kind(around, folder / kind.name.replace(" ", "-"))
        lamps = [house.add(switch(f"00158d0002a0{n:04x}", channels=1), joined=False) for n in range(switches)]
        climate = [
            house.add(climate_sensor(f"00158d0004c0{n:04x}", poll_interval_s=0.2), joined=False) for n in range(sensors)
        ]
        async with Rig.on(peer) as rig:
            await rig.start()
            if (permit := peer.permit_join()) is not None:
                await rig.publish(*permit)
            await until_open(house)
            for device in (*lamps, *climate):
                await house.join(device)
                await rig.until_joined(device.ieee)
            await asyncio.sleep(2)
            stop_s = await rig.stop()
            ready_s = await rig.start()
            await asyncio.sleep(3)
            progress(f"{kind.name}: {switches + sensors} devices joined, ready again in {ready_s:.2f} s")
            to_radio, to_state = await measures.commands(rig, house, lamps, 300)
            progress(f"{kind.name}: 300 commands")
            single = await measures.reports(rig, climate, 20, 10)
            loads = [await measures.reports(rig, climate, rate, seconds) for rate in RATES]
            written = await measures.bytes_written(rig, climate)
            idle = await measures.idle(rig)
            memory = rig.cost().memory_info().rss
    rows = [
        (f"start → ready, {switches + sensors} devices", "s", ready_s),
        ("SIGTERM → gone", "s", stop_s),
        ("command → radio, p50", "ms", to_radio.p50),
        ("command → radio, p99", "ms", to_radio.p99),
        ("command → state, p50", "ms", to_state.p50),
        ("command → state, p99", "ms", to_state.p99),
        ("report → MQTT, p50", "ms", single.latency.p50),
        ("report → MQTT, p99", "ms", single.latency.p99),
    ]
    for load in loads:
        rows += [
            (f"{load.rate} reports/s, p50", "ms", load.latency.p50),
            (f"{load.rate} reports/s, p99", "ms", load.latency.p99),
            (f"{load.rate} reports/s, CPU", "%", load.cpu),
            (f"{load.rate} reports/s, lost or overtaken", "", load.latency.lost),
            (f"{load.rate} reports/s, newest value lost", "", load.newest_lost),
        ]
    rows += [
        ("idle, CPU", "%", idle),
        ("memory (RSS)", "MB", memory / 1e6),
        ("written to disk, 1,000 reports", "KB", written / 1e3),
    ]
    return Figures(kind.name, tuple(rows))


async def until_open(house: House) -> None:
    """Wait until the peer lets devices join."""
    async with asyncio.timeout(30):
        while not house.ncp.permits_joining:
            await asyncio.sleep(0.01)


def progress(what: str) -> None:
    """A run takes minutes: say where it is."""
    print(what, file=sys.stderr, flush=True)


def table(measured: Sequence[Figures]) -> Table:
    """The figures side by side, and gatewayd's ratio to each other peer."""
    ours, *others = measured
    drawn = Table("", *(figures.peer for figures in measured), *(f"÷ {figures.peer}" for figures in others))
    for place, (what, unit, figure) in enumerate(ours.rows):
        theirs = [figures.rows[place][2] for figures in others]
        ratios = [f"{figure / other:.2f}" if other else "-" for other in theirs]
        drawn.add_row(what, *(f"{value:.3g} {unit}".strip() for value in (figure, *theirs)), *ratios)
    return drawn


async def main() -> int:
    """Measure whom the command line names, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--without", action="append", default=[], choices=["bare zigpy", "zigbee2mqtt"])
    parser.add_argument("--seconds", type=float, default=8, help="how long each rate of reports is kept up")
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
    with tempfile.TemporaryDirectory(dir=options.folder or Path.cwd(), prefix=".bench-") as folder:
        measured = [
            await measure(
                peer, Path(folder), switches=options.switches, sensors=options.sensors, seconds=options.seconds
            )
            for peer in peers
            if peer.name not in options.without
        ]
    Console(width=140).print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
