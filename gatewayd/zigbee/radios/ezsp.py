"""Silicon Labs coordinators over EZSP: the radio module of bellows."""

from pathlib import Path
from typing import Any, Final

import structlog
from bellows.ash import AshException
from bellows.exception import ControllerError, EzspError
from bellows.types import EmberNetworkStatus
from bellows.zigbee.application import ControllerApplication

from gatewayd.config import RadioSettings
from gatewayd.model.errors import RadioUnavailableError
from gatewayd.zigbee.radios.base import RadioApplication, zigpy_configuration

log = structlog.get_logger()

COORDINATOR_ERRORS: Final = (EzspError, ControllerError, AshException)


class EzspApplication(RadioApplication, ControllerApplication):  # type: ignore[misc]  # bellows has no types
    """bellows' application."""

    def _handle_id_conflict(self, nwk: Any) -> None:
        # bellows treats both devices as having left. They stay: each takes another address and announces itself.
        log.warning("network_address_conflicted", nwk=f"{int(nwk):#06x}")

    async def check_network(self) -> None:
        """Ask the coordinator whether its network is up. Raises RadioUnavailableError, or one of COORDINATOR_ERRORS."""
        (state,) = await self._ezsp.networkState()
        if state != EmberNetworkStatus.JOINED_NETWORK:
            raise RadioUnavailableError(f"the coordinator's network is not up: {state!r}")

    async def discard_unsent(self) -> None:
        """Reset the coordinator; returns once it has said so (RSTACK)."""
        await self._ezsp.reset()

    async def close_line(self) -> None:
        """Close the line to the coordinator, with what is on it."""
        await self._ezsp.disconnect()


def create_application(settings: RadioSettings, database: Path) -> RadioApplication:
    """Build the application, not started yet. bellows runs in this event loop: a thread costs latency at every hop."""
    return EzspApplication(zigpy_configuration(settings, database) | {"use_thread": False})
