"""Starts every part of the daemon in order and stops them in reverse; `wiring/` builds them."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from gatewayd import __version__
from gatewayd.admin.console import Console
from gatewayd.config import Settings
from gatewayd.lifecycle import Notifier, Parts, become_new_process, end_within
from gatewayd.model.record import LockParam
from gatewayd.provisioning.button import Button
from gatewayd.provisioning.wifi import Wifi
from gatewayd.store.command_journal import MIN_REPEAT_WINDOW
from gatewayd.store.folder_return import Restart, wait_until_back
from gatewayd.store.state_folder import StateFolder, state_folder
from gatewayd.store.state_key import load_key
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock, keep_lower_bound
from gatewayd.wiring.admin import build_console, build_server, build_watchdog
from gatewayd.wiring.cloud import PendingCloudServices, run_cloud_services
from gatewayd.wiring.local import build_local_services, run_local_services
from gatewayd.wiring.provisioning import load_provisioning, shut_window_when_connected, wifi_of

log = structlog.get_logger()

_WINDOW_BY_BUTTON_S: Final = 300.0


@asynccontextmanager
async def running(
    settings: Settings,
    password: str,
    environ: Mapping[str, str],
    *,
    wifi: Wifi | None = None,
    clock: BestClock | None = None,
    on_failure: Callable[[], object] = lambda: None,
    on_folder_back: Callable[[Restart], object] = lambda _: None,
) -> AsyncIterator[Console]:
    """Run the whole daemon as long as the context lasts; `wifi` and `clock` replace the board's own (demo, tests).
    `on_folder_back` is called once the daemon is to start anew, for a state folder that can be used again.

    Raises StoreError, ConfigError or GatewayError where a part cannot be built, and PartFailedError where one fails
    without which the daemon cannot go on; `on_failure` is called as soon as that is so, before the others are stopped.
    """
    chance = random.Random()  # noqa: S311  (jitter)
    notifier = Notifier(environ)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    clock = clock or BestClock()
    window = max(MIN_REPEAT_WINDOW, timedelta(seconds=2 * settings.locks.command_ttl_s))
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(state_folder(settings.state_dir))
        key = load_key(Path(credentials) if credentials else None, folder.path)
        log.info("gatewayd_starting", version=__version__)
        store = await stack.enter_async_context(
            Store.open(
                folder.path / "gatewayd.db",
                now=clock.now,
                unsure=clock.unsure,
                zone=settings.zone,
                key=key.key,
                key_problem=key.problem,
                folder_problem=folder.problem,
                repeat_window=window,
            )
        )
        local = build_local_services(settings, store, clock, folder.path, chance)
        await local.lock_events.load_known(one.uuid for one in store.mirror.all() if isinstance(one.param, LockParam))
        cloud = PendingCloudServices()
        provisioning = await load_provisioning(settings, local, wifi or wifi_of(settings), cloud)
        parts = Parts(chance, on_failure)
        console = build_console(settings, local, provisioning, cloud, parts)
        async with build_server(settings, console).listening(), parts:
            parts.start("store", store.run, essential=True)
            parts.start("state-folder", partial(_tell_folder_back, folder, store, on_folder_back))
            parts.start("clock", partial(keep_lower_bound, clock, store.facts))
            parts.start("dates", local.dating.run)
            parts.start("access", local.access.follow_validity)
            parts.start("recorder", local.recorder.run, essential=True, finish=local.recorder.finish)
            parts.start("health", local.health.run)
            parts.start("local", partial(run_local_services, settings, local))
            parts.start("locks", local.lock_reconciler.run)
            parts.start("zigbee", local.zigbee.run)
            parts.start("commands", local.executor.run, essential=True)
            parts.start("provisioning", provisioning.run)
            parts.start("window", partial(shut_window_when_connected, provisioning, cloud))
            if settings.wifi.button:
                press = partial(provisioning.open_window, _WINDOW_BY_BUTTON_S)
                parts.start("button", Button(settings.wifi.button, settings.wifi.button_key, press).run)
            parts.start("cloud", partial(run_cloud_services, settings, password, local, cloud, parts.start))
            parts.start("watchdog", build_watchdog(notifier, local, cloud, console).run)
            yield console


async def _tell_folder_back(folder: StateFolder, store: Store, tell: Callable[[Restart], object]) -> None:
    tell(await wait_until_back(folder, lambda: store.problem, store.is_in_place))


async def serve(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; tell systemd when the daemon is ready and when it stops.

    A signal ends it within STOP_LIMIT_S whatever it is doing then, starting included.
    """
    daemon = asyncio.create_task(_run_until_cancelled(settings, password, environ))
    is_stopping = _cancel_at_signals(daemon, Notifier(environ))
    try:
        await daemon
    except asyncio.CancelledError:
        if not is_stopping():
            raise
    finally:
        end_within()  # whatever is still to be closed
    log.info("gatewayd_stopped")


async def _run_until_cancelled(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    while True:
        folder_back: asyncio.Future[Restart] = asyncio.get_running_loop().create_future()
        async with running(settings, password, environ, on_failure=end_within, on_folder_back=folder_back.set_result):
            Notifier(environ).notify("READY=1")
            gc.collect()
            gc.freeze()  # what start-up made stays: to walk it at each collection would stall reports for 30 ms
            log.info("gatewayd_started", version=__version__, owner=settings.owner)
            if await folder_back is Restart.AT_ONCE:
                become_new_process()
        log.info("gatewayd_starts_anew", reason="the state folder can be written again")


def _cancel_at_signals(daemon: asyncio.Task[None], notifier: Notifier) -> Callable[[], bool]:
    """Have SIGTERM and SIGINT cancel `daemon`; the result says whether one has come.

    SIGHUP is for a person who closes the terminal in which it runs: there it does the same. A service has no terminal:
    its settings are read at start alone, so SIGHUP (`systemctl reload`, `killall -HUP`) changes nothing, and says so.
    """
    loop, is_stopping = asyncio.get_running_loop(), False

    def begin_stopping(name: str) -> None:
        notifier.notify("STOPPING=1")
        log.info("gatewayd_stopping", signal=name)
        daemon.cancel()

    def stop(number: int, _frame: object) -> None:
        # Python's own handler, not the loop's: it is called even while the loop is blocked.
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            end_within()
            loop.call_soon_threadsafe(begin_stopping, signal.Signals(number).name)

    def ignore(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(partial(log.info, "hangup_ignored", remedy="restart to have the settings read anew"))

    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, stop if has_terminal else ignore)
    return lambda: is_stopping


def main(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """`gatewayd run`: on uvloop where it is installed. Returns or raises when the daemon has ended; `lifecycle.leave`
    must end the process then.
    """
    try:
        import uvloop  # noqa: PLC0415  (an extra)
    except ImportError:
        new_loop = asyncio.new_event_loop
    else:
        new_loop = uvloop.new_event_loop
    # Never closed: that would wait for the threads of the loop, and a name server that is silent keeps one for long.
    asyncio.Runner(loop_factory=new_loop).run(serve(settings, password, environ))
