"""What gatewayctl can ask and order: each method with its params. What the parts are like is read by `status`."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gatewayd import log
from gatewayd.admin.server import Method
from gatewayd.admin.state_text import clusters_text
from gatewayd.admin.status import (
    CloudSource,
    DeviceSnapshot,
    GatewayStatus,
    ProvisioningSnapshot,
    StatusReader,
    UnknownDeviceSnapshot,
)
from gatewayd.cloud.qr import QrData
from gatewayd.model.errors import NotIdentifiedError, UnknownDeviceError
from gatewayd.model.event import UnknownDevice
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.store.store import Store
from gatewayd.zigbee.controller import ZigbeeController


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No params."""


class DeviceParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which device."""

    uuid: str


class DeadLetterParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letter."""

    id: Annotated[int, Meta(ge=0, lt=1 << 53)]


class SecondsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long."""

    seconds: Annotated[int, Meta(ge=0, le=254)] = 60


class MinutesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many minutes; 0 shuts the window."""

    minutes: Annotated[int, Meta(ge=0, le=60)] = 5


class LogLevelParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which log level."""

    level: Literal["debug", "info", "warning", "error"]


class RestoreParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network, in the open coordinator backup format."""

    backup: dict[str, Any]


class Console:
    """What an operator can ask and order. It observes the parts that it is given and changes none of them but by their
    own methods; `status` reads them.
    """

    def __init__(
        self,
        store: Store,
        zigbee: ZigbeeController,
        provisioning: ProvisioningService,
        cloud: CloudSource,
        status: StatusReader,
        *,
        base_url: str,
    ) -> None:
        self._store = store
        self._zigbee = zigbee
        self._provisioning = provisioning
        self._cloud = cloud
        self._base_url = base_url
        self.snapshots = status

    def methods(self) -> Mapping[str, Method]:
        """What the admin socket offers."""
        return {
            "status": Method(NoParams, self.status),
            "devices": Method(NoParams, self.devices),
            "show": Method(DeviceParams, self.show),
            "qr": Method(NoParams, self.qr),
            "permit-join": Method(SecondsParams, self.permit_join),
            "remove": Method(DeviceParams, self.remove),
            "outbox": Method(NoParams, self.outbox),
            "outbox-retry": Method(DeadLetterParams, self.outbox_retry),
            "outbox-discard": Method(DeadLetterParams, self.outbox_discard),
            "sync": Method(NoParams, self.sync_now),
            "sync-progress": Method(NoParams, self.sync_progress),
            "firmware-check": Method(NoParams, self.firmware_check),
            "backup": Method(NoParams, self.backup),
            "restore": Method(RestoreParams, self.restore),
            "log-level": Method(LogLevelParams, self.log_level),
            "provision-window": Method(MinutesParams, self.provision_window),
        }

    async def status(self, _params: NoParams) -> GatewayStatus:
        """The whole daemon."""
        return await self.snapshots.gateway()

    async def devices(self, _params: NoParams) -> list[DeviceSnapshot | UnknownDeviceSnapshot]:
        """Every device, known to the catalogue or not."""
        return self.snapshots.devices()

    async def show(self, params: DeviceParams) -> dict[str, Any]:
        """One record, as the cloud sees it; of a device that the catalogue does not know, its clusters."""
        if (unknown := self._zigbee.devices.unknown.get(Uuid(params.uuid))) is not None:
            return _signature(unknown)
        return to_wire(self._record(params.uuid))

    async def qr(self, _params: NoParams) -> dict[str, str]:
        """The text of the gateway's QR code (§3.1)."""
        network = self._zigbee.network
        record = None if network is None else self._store.mirror.get(network.coordinator)
        if record is None:
            raise NotIdentifiedError
        data = QrData(self._base_url, record.type_sub, record.uuid)
        return {"text": str(data)}

    async def permit_join(self, params: SecondsParams) -> None:
        """Let devices join for a while."""
        await self._zigbee.permit_join(params.seconds)

    async def remove(self, params: DeviceParams) -> None:
        """Remove a device from the network, known to the catalogue or not."""
        await self._zigbee.remove(Uuid(params.uuid))

    async def outbox(self, _params: NoParams) -> dict[str, Any]:
        """What waits for the cloud, and the dead letters."""
        rows, letters = await asyncio.gather(self._store.outbox.rows(), self._store.outbox.dead_letters())
        return {
            "waiting": [
                {
                    "id": row.id,
                    "kind": row.item.kind(),
                    "uuid": row.item.uuid,
                    "since": row.created_at.isoformat(timespec="seconds"),
                    "attempts": row.attempts,
                }
                for row in rows
            ],
            "dead": [
                {
                    "id": letter.id,
                    "kind": letter.item.kind() if letter.item is not None else "damaged",
                    "uuid": letter.item.uuid if letter.item is not None else None,
                    "reason": letter.reason,
                }
                for letter in letters
            ],
        }

    async def outbox_retry(self, params: DeadLetterParams) -> None:
        """Put a dead letter back into the outbox."""
        uuid = await self._store.outbox.requeue(params.id)
        if (cloud := self._cloud.services_or_none()) is not None:
            cloud.sender.send_soon(uuid)

    async def outbox_discard(self, params: DeadLetterParams) -> None:
        """Delete a dead letter."""
        await self._store.outbox.discard(params.id)

    async def sync_now(self, _params: NoParams) -> int:
        """Sync with the cloud now; the number of the run that does it."""
        return self._cloud.services().sync.request_run()

    async def sync_progress(self, _params: NoParams) -> dict[str, Any]:
        """How far the latest run is."""
        progress = self._cloud.services().sync.progress
        return {
            "run": progress.number,
            "running": progress.running,
            "sections": [
                {
                    "name": step.name,
                    "state": step.state,
                    "seen": step.received,
                    "changed": step.changed,
                    "error": step.error,
                }
                for step in progress.steps
            ],
        }

    async def firmware_check(self, _params: NoParams) -> dict[str, Any]:
        """Ask the cloud now whether there is newer firmware."""
        found = await self._cloud.services().firmware.check()
        return {"installed": found.installed, "latest": found.latest, "newer": found.is_newer}

    async def backup(self, _params: NoParams) -> dict[str, Any]:
        """The Zigbee network with its keys, in zigpy's backup format."""
        return await self._zigbee.backup()

    async def restore(self, params: RestoreParams) -> dict[str, Any]:
        """Write a network to the coordinator; its address and channel then."""
        coordinator = await self._zigbee.restore(params.backup)
        return {"gateway": coordinator, "channel": params.backup["channel"]}

    async def provision_window(self, params: MinutesParams) -> ProvisioningSnapshot:
        """Open the provisioning window for a while, or shut it."""
        self.open_window(params.minutes * 60)
        return self.snapshots.provisioning()

    def open_window(self, seconds: float) -> bool:
        """Open the provisioning window for `seconds`, or shut it with 0; whether it is open now."""
        return self._provisioning.open_window(seconds)

    async def log_level(self, params: LogLevelParams) -> None:
        """Set the log level of the running daemon."""
        log.set_level(params.level)

    def _record(self, uuid: str) -> Record:
        if (record := self._store.mirror.get(Uuid(uuid))) is None:
            raise UnknownDeviceError(f"no device {uuid} here; gatewayctl devices lists them")
        return record


def _signature(device: UnknownDevice) -> dict[str, Any]:
    """What a row of the catalogue has to contain to match this device."""
    return {
        "uuid": device.uuid,
        "category": "unknown",
        "manufacturer": device.manufacturer,
        "model": device.model,
        "endpoints": [
            {"endpoint": id_, "clusters": clusters_text(inputs), "outputs": clusters_text(outputs)}
            for id_, inputs, outputs in device.endpoints
        ],
    }
