"""Starts every part of the daemon in order and stops them in reverse; `wiring/` builds them."""

import asyncio
import gc
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from gatewayd import __version__
from gatewayd.admin.console import Console
from gatewayd.config import Settings
from gatewayd.lifecycle import Notifier, Parts
from gatewayd.model.record import LockParam
from gatewayd.provisioning.button import Button
from gatewayd.provisioning.wifi import Wifi
from gatewayd.store.command_journal import MIN_REPEAT_WINDOW
from gatewayd.store.state_folder import state_folder
from gatewayd.store.state_key import load_key
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock, keep_lower_bound
from gatewayd.wiring.admin import build_console, build_server
from gatewayd.wiring.cloud import CloudStart, run_cloud_services
from gatewayd.wiring.local import build_local_services, run_local_services
from gatewayd.wiring.provisioning import load_provisioning, shut_window_when_connected, wifi_of

log = structlog.get_logger()

_WINDOW_BY_BUTTON_S = 300.0


@asynccontextmanager
async def running(
    settings: Settings,
    password: str,
    environ: Mapping[str, str],
    *,
    wifi: Wifi | None = None,
    clock: BestClock | None = None,
) -> AsyncIterator[Console]:
    """Run the whole daemon as long as the context lasts; `wifi` and `clock` replace the board's own (demo, tests).

    Raises StoreError, ConfigError or GatewayError where a part cannot be built.
    """
    chance = random.Random()  # noqa: S311  (jitter)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    clock = clock or BestClock()
    window = max(MIN_REPEAT_WINDOW, timedelta(seconds=2 * settings.locks.command_ttl_s))
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(state_folder(settings.state_dir))
        key = load_key(Path(credentials) if credentials else None, folder.path)
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
        cloud = CloudStart()
        provisioning = await load_provisioning(settings, local, wifi or wifi_of(settings), cloud)
        console = build_console(settings, local, provisioning, cloud)
        async with build_server(settings, console).listening(), asyncio.TaskGroup() as tasks:
            parts = Parts(tasks)
            parts.start("store", store.run())
            parts.start("clock", keep_lower_bound(clock, store.facts))
            parts.start("dates", local.dating.run())
            parts.start("recorder", local.recorder.run())
            parts.start("local", run_local_services(settings, local))
            parts.start("locks", local.lock_reconciler.run())
            parts.start("zigbee", local.zigbee.run())
            parts.start("commands", local.executor.run())
            parts.start("provisioning", provisioning.run())
            parts.start("window", shut_window_when_connected(provisioning, cloud))
            if settings.wifi.button:
                press = partial(provisioning.open_window, _WINDOW_BY_BUTTON_S)
                parts.start("button", Button(settings.wifi.button, settings.wifi.button_key, press).run())
            parts.start("cloud", run_cloud_services(settings, password, local, cloud))
            try:
                yield console
            finally:
                await local.recorder.finish()
                await parts.stop()


async def serve(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; tell systemd when the daemon is ready and when it stops."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    notifier = Notifier(environ)
    async with running(settings, password, environ):
        notifier.notify("READY=1")
        gc.collect()
        gc.freeze()  # what start-up made is never freed: to walk it at each collection would stall reports for 30 ms
        log.info("gatewayd_started", version=__version__, owner=settings.owner)
        await stop.wait()
        notifier.notify("STOPPING=1")
        log.info("gatewayd_stopping")
    log.info("gatewayd_stopped")


def main(settings: Settings, password: str, environ: Mapping[str, str]) -> None:
    """`gatewayd run`: on uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415  (an extra)
    except ImportError:
        asyncio.run(serve(settings, password, environ))
    else:
        uvloop.run(serve(settings, password, environ))
