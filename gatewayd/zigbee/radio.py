"""The radio's life cycle: starts the coordinator, and starts it anew when it resets, falls silent or goes away.

bellows does not reconnect by itself: it only calls `connection_lost`. The devices are `device_registry`'s; which
library drives the coordinator is `radios`'.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.config import RadioSettings
from gatewayd.model.errors import RadioUnavailableError
from gatewayd.model.event import NetworkInfo
from gatewayd.zigbee.addresses import uuid_of
from gatewayd.zigbee.radios import radio_module
from gatewayd.zigbee.radios.base import RadioApplication
from gatewayd.zigbee.radios.database import prepare_database

log = structlog.get_logger()

_BACKOFF: Final = Backoff(first_s=0.2, longest_s=10.0)
_LONGEST_PAUSE_AFTER_START_S: Final = 2.0  # for a coordinator that starts and fails again and again
_STABLE_AFTER_S: Final = 10.0
"""After an attempt of that length, pauses start anew."""

_START_TIMEOUT_S: Final = 60.0  # forming a network takes eight seconds
_SHUTDOWN_TIMEOUT_S: Final = 1.0

OnUp = Callable[[RadioApplication, NetworkInfo], None]
OnDown = Callable[[str], None]


class RadioSupervisor:
    """Keeps a coordinator running. `on_up` is called with each started application and its network, `on_down` with
    the reason when that has ended.
    """

    def __init__(
        self,
        settings: RadioSettings,
        database: Path,
        *,
        on_up: OnUp,
        on_down: OnDown,
        now: Callable[[], datetime],
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._module = radio_module(settings.driver)
        self._database = database
        self._on_up = on_up
        self._on_down = on_down
        self._now = now
        self._chance = chance
        self._app: RadioApplication | None = None
        self._lost: asyncio.Future[str] | None = None
        self.up = asyncio.Event()
        self.network: NetworkInfo | None = None
        self.trouble: str | None = "not started yet"
        self.starting_since: float | None = None
        """When the present attempt to start, or to end an application, began, by the event loop's clock; None while it
        is up or pauses."""
        self.starts = 0

    @property
    def app(self) -> RadioApplication:
        """zigpy's application. Raises RadioUnavailableError while the radio is away."""
        if self._app is None or not self.up.is_set():
            raise RadioUnavailableError(f"the radio at {self._settings.path} is away: {self.trouble}")
        return self._app

    def restart(self, reason: str) -> None:
        """Start the coordinator anew: a caller found that it does not work, before zigpy's watchdog did."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def run(self) -> None:
        """Start the coordinator, and start it anew whenever it is lost, until cancelled."""
        retries = Retries(_BACKOFF, self._chance)
        clock = asyncio.get_running_loop().time
        while True:
            began, starts = clock(), self.starts
            reason = await self._run_once()
            if self.trouble != reason:  # one line per reason, not per attempt
                log.warning("radio_lost", path=self._settings.path, reason=reason)
            self.trouble = reason
            if clock() - began > _STABLE_AFTER_S:
                retries.reset()
            was_started = self.starts > starts
            await asyncio.sleep(retries.next_pause_s(longest_s=_LONGEST_PAUSE_AFTER_START_S if was_started else None))

    async def _run_once(self) -> str:
        """Start an application and wait until it is lost. Returns the reason."""
        loop = asyncio.get_running_loop()
        self._lost, self.starting_since = loop.create_future(), loop.time()
        app = self._module.create_application(self._settings, self._database)
        app.add_listener(self)
        try:
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await asyncio.to_thread(prepare_database, self._database, self._now())
                    await app.load_database()
                    await app.startup(auto_form=True)
                if self._lost.done():  # a coordinator may report a reset before bellows has asked for one
                    self._lost = asyncio.get_running_loop().create_future()
                    await app.check_network()
            except Exception as error:  # noqa: BLE001  (whatever a coordinator does at the start, it is tried again)
                return f"cannot start: {_describe(error)}"
            self._app, self.network, self.trouble = app, _network_of(app), None
            self.starting_since = None
            self.starts += 1
            self.up.set()
            log.info("radio_started", channel=self.network.channel, coordinator=self.network.coordinator)
            self._on_up(app, self.network)
            return await self._lost
        finally:
            was_up = self.up.is_set()
            self.starting_since = loop.time()
            self.up.clear()
            self._app = None
            try:
                if was_up:
                    self._on_down("the radio is away")
            finally:
                await _shut_down(app)
                self.starting_since = None

    def connection_lost(self, error: Exception | None) -> None:
        """zigpy's listener method: the coordinator is lost. It may be called several times."""
        self.restart(_describe(error) if error is not None else "the connection was closed")


async def _shut_down(app: RadioApplication) -> None:
    """End an application that may no longer answer; after a short time it is abandoned."""
    try:
        async with asyncio.timeout(_SHUTDOWN_TIMEOUT_S):
            await app.shutdown()
    except Exception as error:  # noqa: BLE001  (the application is not used again)
        log.info("radio_shutdown_failed", reason=_describe(error))
    finally:
        await app.abandon_database()


def _network_of(app: Any) -> NetworkInfo:
    node, network = app.state.node_info, app.state.network_info
    return NetworkInfo(
        coordinator=uuid_of(node.ieee),
        channel=int(network.channel),
        pan_id=int(network.pan_id),
        version=str(node.version or ""),
    )


def _describe(error: BaseException) -> str:
    return str(error) or repr(error)
