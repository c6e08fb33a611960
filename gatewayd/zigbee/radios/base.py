"""What every radio has in common: the zigpy application that the gateway runs, and its configuration.

The radio modules derive their application from it; `radio.RadioSupervisor` starts and stops that.
"""

import asyncio
from abc import abstractmethod
from pathlib import Path
from typing import Any, Final, Protocol, cast

import structlog
import zigpy.config
from zigpy.application import ControllerApplication
from zigpy.types import AddrMode

from gatewayd.config import RadioSettings
from gatewayd.zigbee.packet_limit import PacketLimit
from gatewayd.zigbee.radios.database import QuietDatabase

log = structlog.get_logger()

COORDINATOR_NWK: Final = 0x0000


class RadioApplication(ControllerApplication):
    """zigpy's application on a `QuietDatabase`."""

    _dblistener: Any

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._unsettled: set[int] = set()
        self._packet_limit = PacketLimit()

    def packet_received(self, packet: Any) -> None:
        """As zigpy's own, for no more packets of a device than `PacketLimit` admits."""
        sender = packet.src
        if sender is not None and sender.addr_mode == AddrMode.NWK and sender.address != COORDINATOR_NWK:
            is_admitted, change = self._packet_limit.admit(int(sender.address), asyncio.get_running_loop().time())
            if change is not None and change.is_flood:
                log.warning("device_floods_radio", nwk=f"{change.nwk:#06x}", reason="its packets are dropped")
            elif change is not None:
                log.info("device_no_longer_floods_radio", nwk=f"{change.nwk:#06x}", dropped=change.dropped)
            if not is_admitted:
                return
        super().packet_received(packet)

    async def send_packet(self, packet: Any) -> None:
        """As the radio library's own; remembers to whom a packet was abandoned before the coordinator had said whether
        it was delivered.
        """
        try:
            await cast("Any", super()).send_packet(packet)
        except asyncio.CancelledError:
            self._unsettled.add(int(packet.dst.address))
            raise

    def is_unsettled(self, nwk: int) -> bool:
        """Whether the coordinator may still send a packet to `nwk` that was abandoned."""
        return nwk in self._unsettled

    def forget_unsettled(self, nwk: int) -> None:
        """What was abandoned before does not count."""
        self._unsettled.discard(nwk)

    @abstractmethod
    async def discard_unsent(self) -> None:
        """Reset the coordinator, so that it forgets what it has not sent; returns once it has. The application cannot
        be used after that. Raises one of the module's COORDINATOR_ERRORS, TimeoutError.
        """

    @abstractmethod
    async def close_line(self) -> None:
        """Close the line to the coordinator, with what is on it. The application cannot be used after that."""

    async def load_database(self) -> None:
        """Read the network's devices from zigpy's database, before `startup`."""
        await self._load_db()

    async def abandon_database(self) -> None:
        """Close zigpy's database where `shutdown` has not come to that, else do nothing; returns soon."""
        if self._dblistener is not None:
            await self._dblistener.abandon()

    async def _load_db(self) -> None:
        # As zigpy's own, but for the database's class.
        self._dblistener = await QuietDatabase.new(self.config[zigpy.config.CONF_DATABASE], self)
        await self._dblistener.load()
        cast("Any", self)._add_db_listeners()  # noqa: SLF001  (zigpy's, inherited; it has no types)

    @abstractmethod
    async def check_network(self) -> None:
        """Ask the coordinator whether its network is up. Raises RadioUnavailableError, or one of the module's
        COORDINATOR_ERRORS.
        """


class RadioModule(Protocol):
    """What a radio module offers."""

    @property
    def COORDINATOR_ERRORS(self) -> tuple[type[Exception], ...]:  # noqa: N802  (a module's constant)
        """What the radio's library raises while the coordinator cannot be used."""
        ...

    def create_application(self, settings: RadioSettings, database: Path) -> RadioApplication:
        """Build the application, not started yet. `database` is zigpy's own."""
        ...


def zigpy_configuration(settings: RadioSettings, database: Path) -> dict[str, Any]:
    """zigpy's configuration for these settings."""
    return {
        "database_path": str(database),
        "device": {
            "path": settings.path,
            "baudrate": settings.baudrate,
            "flow_control": None if settings.flow_control == "none" else settings.flow_control,
        },
        "network": {"channel": settings.channel} if settings.channel else {},
        "ota": {"enabled": False},
        "topology_scan_enabled": False,
    }
