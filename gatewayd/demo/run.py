"""`gatewayd demo`: runs the daemon in a simulated environment on loopback, plays the tour, and shows what happens.

The page is `view`'s, the tour `simulator.tour`'s.
"""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console as Screen
from rich.live import Live

from gatewayd import config, daemon, log
from gatewayd.admin.console import Console
from gatewayd.demo.view import DemoView, page
from gatewayd.lifecycle import STOP_LIMIT_S, end_within
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import KINDS, BrokerKind
from gatewayd.simulator.environment import OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.tour import PASSPHRASE, SSID, StepFailedError, Tour, TourStep
from gatewayd.simulator.wifi import SimulatedWifi

_REFRESH_S = 0.5
_END_LIMIT_S = STOP_LIMIT_S + 1.0  # the daemon's own parts take some of it


def settings_for(environment: Environment, folder: Path) -> config.Settings:
    """The daemon's settings in a simulated environment, with its state in `folder`."""
    listen_port, announce_port = environment.udp_ports
    return config.from_mapping(
        {
            "gateway": {"state_dir": str(folder)},
            "radio": {"driver": "simulated", "path": environment.radio_url},
            "cloud": {"base_url": environment.cloud.base_url, "username": OWNER},
            "mqtt": {"host": environment.broker.host, "port": environment.broker.port},
            "admin": {"socket": str(folder / "admin.sock")},
            "wifi": {"backend": "none"},
            "udp": {"listen_port": listen_port, "announce_port": announce_port, "interfaces": ["lo"]},
        },
        {},
    )


@asynccontextmanager
async def _running(
    folder: Path, brokers: Sequence[BrokerKind]
) -> AsyncIterator[tuple[Environment, Console, AppClient]]:
    """A simulated environment, the daemon in it, and the owner's phone."""
    async with (
        simulated_environment(brokers=brokers) as environment,
        daemon.running(settings_for(environment, folder), PASSWORD, {}, wifi=SimulatedWifi()) as console,
        environment.phone() as phone,
    ):
        yield environment, console, phone


async def play(*, once: bool, broker: str | None = None) -> int:
    """Run the demo with the broker of that name, or the first that is installed; returns the exit status.

    `once`: play the tour and end, 1 where a step did not happen. Raises BrokerError.
    """
    screen = Screen()
    brokers = [kind for kind in KINDS if broker in (None, kind.name)]
    log.configure("error", "console")
    status = 0
    _cancel_on_signals()
    with tempfile.TemporaryDirectory(prefix="gatewayd-demo-") as folder:
        async with _running(Path(folder), brokers) as (environment, console, phone):
            tour = Tour(environment, phone, console.open_window)
            try:
                if once:
                    await _print_tour(tour, screen)
                else:
                    await _show_tour(tour, console, phone, screen, _addresses(environment, folder))
            except* StepFailedError as failed:
                screen.print(f"[red]✗[/] {failed.exceptions[0]}", highlight=False, soft_wrap=True)
                status = 1
    return status


def _cancel_on_signals() -> None:
    """Ctrl-C, SIGTERM and SIGHUP cancel this task: every part is stopped, the broker too, and in bounded time."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end(task: asyncio.Task[object]) -> None:
        end_within(_END_LIMIT_S)
        task.cancel()

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, end, task)


async def _print_tour(tour: Tour, screen: Screen) -> None:
    async for step in tour.steps():
        screen.print(
            f"[green]✓[/] {step.took_s * 1000:8.1f} ms  {step.title}: {step.result}", highlight=False, soft_wrap=True
        )


async def _show_tour(
    tour: Tour, console: Console, phone: AppClient, screen: Screen, addresses: Mapping[str, str]
) -> None:
    """Play the tour on the page, then keep the devices busy until cancelled."""
    steps: list[TourStep] = []
    with Live(console=screen, auto_refresh=False, screen=screen.is_terminal) as live:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_draw(live, console, phone, steps, addresses))
            async for step in tour.steps():
                steps.append(step)  # noqa: PERF401  (drawn while it grows)
            await tour.keep_devices_busy()


async def _draw(
    live: Live, console: Console, phone: AppClient, steps: list[TourStep], addresses: Mapping[str, str]
) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        snapshots = console.snapshots
        view = DemoView(await snapshots.gateway(), snapshots.devices(), steps, phone.received, clock())
        live.update(page(view, addresses, *live.console.size), refresh=True)
        await asyncio.sleep(_REFRESH_S)


def _addresses(environment: Environment, folder: str) -> Mapping[str, str]:
    """How a person can take part: the purpose, and the command or the access data."""
    socket, (listen_port, announce_port) = f"{folder}/admin.sock", environment.udp_ports
    ports = f"--gateway-port {listen_port} --announce-port {announce_port}"
    return {
        "status": f"gatewayctl --socket {socket} status",
        "button": f"gatewayctl --socket {socket} provision-window",
        "Wi-Fi": f"{SSID}, passphrase {PASSPHRASE}",
        "phone": f"gatewayctl provision --at 127.0.0.1 {ports}",
    }
