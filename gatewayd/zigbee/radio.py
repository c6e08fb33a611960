"""The radio's life cycle: started, watched, and built anew when the coordinator resets, falls silent or goes away.

bellows does not come back by itself (it only says `connection_lost`), so coming back is this module's whole job; what
the devices say and do is `devices`'.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from gatewayd.config import RadioSettings
from gatewayd.model.errors import RadioUnavailableError
from gatewayd.model.event import NetworkInfo
from gatewayd.model.ids import Uuid
from gatewayd.zigbee.radios.ezsp import Application, configuration, prepare_database

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_LONGEST_PAUSE_AFTER_LIFE_S: Final = 2.0  # one that starts and dies again and again
_STARTED_AGAIN_AFTER_S: Final = 10.0
_STOPPED_WITHIN_S: Final = 1.0

OnUp = Callable[[Any, NetworkInfo], Awaitable[None]]
OnDown = Callable[[str], None]


class RadioSupervisor:
    """Keeps a coordinator running. `on_up` takes each new application, `on_down` hears why the last one ended."""

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
        self._database = database
        self._on_up = on_up
        self._on_down = on_down
        self._now = now
        self._chance = chance
        self._app: Any = None
        self._lost: asyncio.Future[str] | None = None
        self.up = asyncio.Event()
        self.network: NetworkInfo | None = None
        self.trouble: str | None = "not started yet"
        self.starts = 0

    @property
    def app(self) -> Any:
        """zigpy's application. Raises RadioUnavailableError while the radio is away."""
        if self._app is None or not self.up.is_set():
            raise RadioUnavailableError(f"the radio at {self._settings.path} is away: {self.trouble}")
        return self._app

    def suspect(self, reason: str) -> None:
        """Something that needs the radio found it gone: look after it now rather than at the next watchdog."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def run(self) -> None:
        """Start, and start anew whenever the coordinator is lost, until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            began, starts = asyncio.get_running_loop().time(), self.starts
            reason = await self._live()
            if self.trouble != reason:  # once a reason, not once an attempt
                log.warning("radio_lost", path=self._settings.path, reason=reason)
            self.trouble = reason
            if asyncio.get_running_loop().time() - began > _STARTED_AGAIN_AFTER_S:
                pause = _FIRST_PAUSE_S
            longest = _LONGEST_PAUSE_AFTER_LIFE_S if self.starts > starts else _LONGEST_PAUSE_S
            pause = min(pause, longest)
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.0))
            pause *= 2

    async def _live(self) -> str:
        """One life of the application; why it ended."""
        self._lost = asyncio.get_running_loop().create_future()
        app = Application(configuration(self._settings, self._database))
        app.add_listener(self)
        try:
            try:
                await asyncio.to_thread(prepare_database, self._database, self._now())
                await app._load_db()
                await app.startup(auto_form=True)
                if self._lost.done():  # a coordinator may greet with a reset, before bellows asks for one
                    self._lost = asyncio.get_running_loop().create_future()
                    await app.make_sure()
            except Exception as error:  # noqa: BLE001  (whatever a coordinator does at start: it is tried again)
                return f"cannot start: {_in_words(error)}"
            self._app, self.network, self.trouble = app, _network_of(app), None
            self.starts += 1
            self.up.set()
            log.info("radio_started", channel=self.network.channel, coordinator=self.network.coordinator)
            await self._on_up(app, self.network)
            return await self._lost
        finally:
            was_up = self.up.is_set()
            self.up.clear()
            self._app = None
            if was_up:
                self._on_down("the radio is away")
            await _shut_down(app)

    def connection_lost(self, error: Exception | None) -> None:
        """zigpy's word for it; it may come several times."""
        self.suspect(_in_words(error) if error is not None else "the line was closed")


async def _shut_down(app: Any) -> None:
    """End an application that may be half dead; it gets a little time, and then it is left."""
    try:
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            await app.shutdown()
    except Exception as error:  # noqa: BLE001  (it is being thrown away)
        log.info("radio_stopped_badly", reason=_in_words(error))


def _network_of(app: Any) -> NetworkInfo:
    node, network = app.state.node_info, app.state.network_info
    return NetworkInfo(
        coordinator=Uuid(str(node.ieee).replace(":", "")),
        channel=int(network.channel),
        pan_id=int(network.pan_id),
        version=str(node.version or ""),
    )


def _in_words(error: BaseException) -> str:
    return str(error) or repr(error)
