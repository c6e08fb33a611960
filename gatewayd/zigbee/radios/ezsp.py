"""zigpy and bellows as this gateway runs them: one loop, no OTA, and a database that is not written at every report.

zigpy keeps each attribute value and each "last seen" in its own database. Here the mirror keeps them, once; zigpy's
database keeps what makes the network: devices, their interviews, groups, backups.
"""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
import zigpy.appdb
import zigpy.config
from bellows.types import EmberNetworkStatus
from bellows.zigbee.application import ControllerApplication

from gatewayd.config import RadioSettings
from gatewayd.model.errors import RadioUnavailableError
from gatewayd.store.opening import set_aside

log = structlog.get_logger()

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_EACH_REPORT: Final = (
    "on_attribute_read",
    "on_attribute_reported",
    "on_attribute_updated",
    "on_attribute_written",
    "device_last_seen_updated",
)


class QuietDatabase(zigpy.appdb.PersistingListener):
    """zigpy's database without what comes with every report."""

    def on_attribute_read(self, event: Any) -> None:
        """Not kept: the mirror has it."""

    on_attribute_reported = on_attribute_updated = on_attribute_written = on_attribute_read

    def device_last_seen_updated(self, device: Any, last_seen: Any) -> None:
        """Not kept: availability counts from the start of the daemon."""


class Application(ControllerApplication):  # type: ignore[misc]  # bellows has no types
    """bellows' application on a quiet database."""

    async def _load_db(self) -> None:
        # As zigpy's own, but for the class. A test fails if zigpy's changes.
        self._dblistener = await QuietDatabase.new(self.config[zigpy.config.CONF_DATABASE], self)
        await self._dblistener.load()
        self._add_db_listeners()

    def _handle_id_conflict(self, nwk: Any) -> None:
        # bellows takes it for their leaving. They stay: each takes another address and announces itself.
        log.warning("network_address_taken_twice", nwk=f"{int(nwk):#06x}")

    async def make_sure(self) -> None:
        """Ask the coordinator whether its network is up. Raises RadioUnavailableError, or what bellows raises."""
        (state,) = await self._ezsp.networkState()
        if state != EmberNetworkStatus.JOINED_NETWORK:
            raise RadioUnavailableError(f"the coordinator's network is not up: {state!r}")


def prepare_database(path: Path, moment: datetime) -> None:
    """Leave a file that zigpy can use, for its owner alone: backups with the network's keys are in it.

    A damaged one is set aside: the network is the coordinator's, and its devices are met again when they speak.
    """
    if path.exists() and (reason := _damage(path)):
        set_aside(path, moment, reason)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _damage(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(path)) as raw:
            faults = [text for (text,) in raw.execute("PRAGMA quick_check(1)") if text != "ok"]
    except sqlite3.DatabaseError as error:
        return str(error) if error.sqlite_errorcode & 0xFF in _DAMAGED else None
    return faults[0] if faults else None


def configuration(settings: RadioSettings, database: Path) -> dict[str, Any]:
    """zigpy's configuration for these settings."""
    network = {"channel": settings.channel} if settings.channel else {}
    return {
        "database_path": str(database),
        "device": {
            "path": settings.path,
            "baudrate": settings.baudrate,
            "flow_control": None if settings.flow_control == "none" else settings.flow_control,
        },
        "network": network,
        "ota": {"enabled": False},
        "topology_scan_enabled": False,
        "use_thread": False,  # a thread of its own costs latency at every hop (radio-notes)
    }
