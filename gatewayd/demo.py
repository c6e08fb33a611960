"""`gatewayd demo`: the daemon on a simulated world, all on loopback, and what happens there as people see it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console as Screen
from rich.console import Group
from rich.live import Live
from rich.table import Table

from gatewayd import config, daemon, log
from gatewayd.admin.console import Console, Nothing
from gatewayd.simulator.broker import KINDS, Kind
from gatewayd.simulator.household import Phone
from gatewayd.simulator.tour import NETWORK, PASSPHRASE, Step, StepFailedError, Tour
from gatewayd.simulator.wifi import SimulatedWifi
from gatewayd.simulator.world import OWNER, PASSWORD, World, world

_LAST_STEPS = 12
_REFRESH_S = 0.5


def settings_for(around: World, folder: Path) -> config.Settings:
    """The daemon's settings in a simulated world."""
    heard_at, spoken_to = around.udp_ports
    return config.from_mapping(
        {
            "gateway": {"state_dir": str(folder)},
            "radio": {"driver": "simulated", "path": around.radio_url},
            "cloud": {"base_url": around.cloud.base_url, "username": OWNER},
            "mqtt": {"host": around.broker.host, "port": around.broker.port},
            "admin": {"socket": str(folder / "admin.sock")},
            "wifi": {"backend": "none"},
            "udp": {"listen_port": heard_at, "announce_port": spoken_to, "interfaces": ["lo"]},
        },
        {},
    )


@asynccontextmanager
async def stage(folder: Path, brokers: Sequence[Kind]) -> AsyncIterator[tuple[World, Console, Phone]]:
    """A world, the daemon in it, and a phone of the owner's."""
    async with (
        world(brokers=brokers) as around,
        daemon.running(settings_for(around, folder), PASSWORD, {}, wifi=SimulatedWifi()) as console,
        around.phone() as phone,
    ):
        yield around, console, phone


async def play(*, once: bool, broker: str | None = None) -> int:
    """The demo, on the `broker` of that name or the first that is installed; returns the exit status."""
    screen = Screen()
    brokers = [kind for kind in KINDS if broker in (None, kind.name)]
    log.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="gatewayd-demo-") as folder:
        async with stage(Path(folder), brokers) as (around, console, phone):
            tour = Tour(around, phone, console.open_window)
            if once:
                return await _once(tour, screen)
            await _live(tour, console, screen, _addresses(around, folder))
            return 0


async def _once(tour: Tour, screen: Screen) -> int:
    try:
        async for step in tour.steps():
            screen.print(
                f"[green]✓[/] {step.took_s * 1000:8.1f} ms  {step.title}: {step.seen}", highlight=False, soft_wrap=True
            )
    except StepFailedError as failed:
        screen.print(f"[red]✗[/] {failed}", highlight=False)
        return 1
    return 0


async def _live(tour: Tour, console: Console, screen: Screen, addresses: Mapping[str, str]) -> None:
    """The tour, then the house goes on living, until Ctrl-C."""
    steps: list[Step] = []
    with Live(console=screen, auto_refresh=False, screen=screen.is_terminal) as live:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_draw(live, console, steps, addresses))
            async for step in tour.steps():
                steps.append(step)  # noqa: PERF401  (drawn while it grows)
            await tour.live_on()


async def _draw(live: Live, console: Console, steps: list[Step], addresses: Mapping[str, str]) -> None:
    while True:
        status, devices = await console.status(Nothing()), await console.devices(Nothing())
        live.update(Group(*_pages(status, devices, steps, addresses)), refresh=True)
        await asyncio.sleep(_REFRESH_S)


def _addresses(around: World, folder: str) -> Mapping[str, str]:
    """Where people can take part, each with the command for it."""
    socket, (heard_at, spoken_to) = f"{folder}/admin.sock", around.udp_ports
    return {
        "ask it": f"gatewayctl --socket {socket} status",
        "its button": f"gatewayctl --socket {socket} provision-window",
        "its Wi-Fi": f"{NETWORK}, passphrase {PASSPHRASE}",
        "be a phone": f"gatewayctl provision --at 127.0.0.1 --gateway-port {heard_at} --announce-port {spoken_to}",
    }


def _pages(
    status: dict[str, Any], devices: list[dict[str, Any]], steps: list[Step], addresses: Mapping[str, str]
) -> Iterator[Table]:
    head = Table(title="gatewayd demo — Ctrl-C ends it", box=None, show_header=False)
    radio = f"channel {status['radio']['channel']}" if status["radio"]["up"] else status["radio"]["trouble"]
    mqtt = "connected" if status["mqtt"]["up"] else status["mqtt"]["trouble"]
    waiting = ", ".join(f"{lane} {depth}" for lane, depth in status["outbox"].items())
    head.add_row("gateway", str(status["gateway"]), "radio", str(radio))
    head.add_row("cloud", str(mqtt), "outbox", waiting)
    yield head
    doors = Table(box=None, show_header=False)
    for purpose, command in addresses.items():
        doors.add_row(purpose, command)
    yield doors
    house = Table("device", "title", "online", "battery", "last change")
    for device in devices:
        battery = "-" if device["battery"] is None else f"{device['battery']} %"
        house.add_row(device["type"], device["title"], "yes" if device["online"] else "no", battery, device["state"])
    yield house
    happened = Table("what happened", "seen", "took")
    for step in steps[-_LAST_STEPS:]:
        happened.add_row(step.title, step.seen, f"{step.took_s * 1000:.1f} ms")
    yield happened
