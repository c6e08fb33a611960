"""What gatewayctl can ask and order: each method with its params, answered with what is true now."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gatewayd import __version__, log
from gatewayd.admin.server import Method
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttSession
from gatewayd.cloud.qr import QrData
from gatewayd.cloud.sync.sync import Sync
from gatewayd.firmware.watch import FirmwareWatch
from gatewayd.model.errors import CloudError, GatewayError, UnknownDeviceError
from gatewayd.model.event import UnknownDevice
from gatewayd.model.ids import Uuid
from gatewayd.model.record import LockParam, Param, Record, SwitchParam, ZigbeeParam
from gatewayd.model.record_wire import to_wire
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.store.store import Store
from gatewayd.zigbee.controller import ZigbeeController

_NOBODY_YET: Final = "who the gateway is, the radio has not said yet; without that there is no cloud"


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
    """The methods. `session` and `listener` are there once the gateway knows who it is."""

    def __init__(self, store: Store, zigbee: ZigbeeController, *, owner: str, base_url: str, started: datetime) -> None:
        self._store = store
        self._zigbee = zigbee
        self._owner = owner
        self._base_url = base_url
        self._started = started
        self.session: MqttSession | None = None
        self.listener: RequestListener | None = None
        self.rest: RestSender | None = None
        self.firmware: FirmwareWatch | None = None
        self.sync: Sync | None = None
        self.provisioning: ProvisioningService | None = None

    @property
    def radio_starts(self) -> int:
        """How often the radio has been started."""
        return self._zigbee.radio.starts

    async def depths(self) -> dict[str, int]:
        """How much waits for the cloud, by lane."""
        return {str(lane): depth for lane, depth in (await self._store.outbox.depth()).items()}

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

    async def status(self, _params: NoParams) -> dict[str, Any]:
        """How everything is."""
        network, session = self._zigbee.network, self.session
        problem = self._store.problem
        return {
            "version": __version__,
            "gateway": network.coordinator if network else None,
            "owner": self._owner,
            "up_s": round((datetime.now(UTC) - self._started).total_seconds()),
            "radio": {
                "up": self._zigbee.radio.up.is_set(),
                "channel": network.channel if network else None,
                "trouble": self._zigbee.radio.trouble,
                "starts": self._zigbee.radio.starts,
            },
            "mqtt": {
                "up": session is not None and session.connected.is_set(),
                "trouble": session.trouble if session else "who the gateway is, the radio has not said yet",
                "connections": session.connections if session else 0,
            },
            "rest": {"trouble": self.rest.trouble if self.rest else None},
            "store": {"problem": problem.reason if problem else None},
            "devices": sum(isinstance(record.param, ZigbeeParam) for record in self._store.mirror.all()),
            "outbox": await self.depths(),
            "requests": dict(self.listener.counters) if self.listener else {},
        }

    async def devices(self, _params: NoParams) -> list[dict[str, Any]]:
        """Every device, known to the catalogue or not."""
        known = [_row(record) for record in self._store.mirror.all() if isinstance(record.param, ZigbeeParam)]
        unknown = [
            {
                "uuid": device.uuid,
                "category": "unknown",
                "title": " ".join(filter(None, (device.manufacturer, device.model))),
                "state": "; ".join(f"endpoint {end}: {_hex(clusters)}" for end, clusters, _ in device.endpoints),
            }
            for device in self._zigbee.devices.unknown.values()
        ]
        return known + unknown

    async def show(self, params: DeviceParams) -> dict[str, Any]:
        """One record, as the cloud sees it; of a device that the catalogue does not know, what it offers."""
        if (unknown := self._zigbee.devices.unknown.get(Uuid(params.uuid))) is not None:
            return _offers(unknown)
        return to_wire(self._record(params.uuid))

    async def qr(self, _params: NoParams) -> dict[str, str]:
        """§3.1: what the QR code on this gateway says."""
        network = self._zigbee.network
        record = None if network is None else self._store.mirror.get(network.coordinator)
        if record is None:
            raise CloudError(_NOBODY_YET)
        data = QrData(self._base_url, record.type_sub, record.uuid)
        return {"text": str(data)}

    async def permit_join(self, params: SecondsParams) -> None:
        """Open the network."""
        await self._zigbee.permit_join(params.seconds)

    async def remove(self, params: DeviceParams) -> None:
        """Take a device off the network, known to the catalogue or not."""
        await self._zigbee.remove(Uuid(params.uuid))

    async def outbox(self, _params: NoParams) -> dict[str, Any]:
        """What waits, and what was given up."""
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
        """Send again what was given up."""
        uuid = await self._store.outbox.requeue(params.id)
        if self.rest is not None:
            self.rest.send_soon(uuid)

    async def outbox_discard(self, params: DeadLetterParams) -> None:
        """Forget what was given up."""
        await self._store.outbox.discard(params.id)

    async def sync_now(self, _params: NoParams) -> int:
        """Sync with the cloud now; the number of the run that does it."""
        if self.sync is None:
            raise CloudError(_NOBODY_YET)
        return self.sync.ask()

    async def sync_progress(self, _params: NoParams) -> dict[str, Any]:
        """How far the latest run is."""
        if self.sync is None:
            raise CloudError(_NOBODY_YET)
        progress = self.sync.progress
        shown = ("name", "state", "seen", "changed", "error")
        return {
            "run": progress.number,
            "running": progress.running,
            "sections": [{name: getattr(step, name) for name in shown} for step in progress.steps],
        }

    async def firmware_check(self, _params: NoParams) -> dict[str, Any]:
        """Ask the cloud now whether there is newer firmware."""
        if self.firmware is None:
            raise CloudError(_NOBODY_YET)
        found = await self.firmware.look()
        return {"installed": found.installed, "latest": found.latest, "newer": found.is_newer}

    async def backup(self, _params: NoParams) -> dict[str, Any]:
        """The Zigbee network with its keys."""
        return await self._zigbee.backup()

    async def restore(self, params: RestoreParams) -> dict[str, Any]:
        """Put a network onto the coordinator; who that is then."""
        coordinator = await self._zigbee.restore(params.backup)
        return {"gateway": coordinator, "channel": params.backup["channel"]}

    async def provision_window(self, params: MinutesParams) -> dict[str, Any]:
        """Let phones put the gateway on Wi-Fi for a while; `endless` where it has never been provisioned."""
        is_open = self.open_window(params.minutes * 60)
        service = self.provisioning
        return {
            "open": is_open,
            "endless": service is not None and service.window_has_no_end,
            "fingerprint": None if service is None else service.fingerprint,
        }

    def open_window(self, seconds: float) -> bool:
        """The same for `seconds`; whether it is open now."""
        if self.provisioning is None:
            raise GatewayError("provisioning has not started yet")
        return self.provisioning.open_window(seconds)

    async def log_level(self, params: LogLevelParams) -> None:
        """Log more, or less."""
        log.set_level(params.level)

    def _record(self, uuid: str) -> Record:
        if (record := self._store.mirror.get(Uuid(uuid))) is None:
            raise UnknownDeviceError(f"no device {uuid} here; gatewayctl devices lists them")
        return record


def _row(record: Record) -> dict[str, Any]:
    param = record.param
    assert isinstance(param, ZigbeeParam)
    return {
        "uuid": record.uuid,
        "category": record.category,
        "type": record.type_sub,
        "title": record.title,
        "online": param.status == 1,
        "battery": param.battery,
        "state": state_in_words(record),
        "linked": "no longer" if record.unlinked else record.id is not None,
    }


def _offers(device: UnknownDevice) -> dict[str, Any]:
    """What a row of the catalogue has to say to fit this device."""
    return {
        "uuid": device.uuid,
        "category": "unknown",
        "manufacturer": device.manufacturer,
        "model": device.model,
        "endpoints": [
            {"endpoint": end, "clusters": _hex(clusters), "outputs": _hex(outputs)}
            for end, clusters, outputs in device.endpoints
        ],
    }


def _hex(clusters: tuple[int, ...]) -> str:
    return " ".join(f"{cluster:#06x}" for cluster in clusters)


_SAID: Final[tuple[tuple[str, str | Mapping[int, str]], ...]] = (
    ("operate", {0: "locked", 1: "unlocked", 2: "held open"}),
    ("position", "{} % open"),
    ("temperature", "{} °C"),
    ("humidity", "{} % humid"),
    ("illuminance", "{} lx"),
    ("occupancy", {False: "nobody there", True: "somebody there"}),
    ("alarm", {False: "quiet", True: "alarm"}),
    ("tamper", {False: "untouched", True: "tampered with"}),
    ("low_battery", {False: "battery good", True: "battery low"}),
)
"""What a record's param says, in words for people; an `operate` is a lock's: others say what came of it."""


def state_in_words(record: Record) -> str:
    """What a device's record says of it, in one line."""
    param = record.param
    if isinstance(param, SwitchParam):
        channels = " ".join("-" if one.value is None else "on" if one.value else "off" for one in param.channel)
        power = getattr(param, "power", None)
        return channels if power is None else f"{channels} {power:g} W"
    words = (said for name, say in _SAID if (said := _in_words(param, name, say)) is not None)
    return ", ".join(words)


def _in_words(param: Param, name: str, say: str | Mapping[int, str]) -> str | None:
    value = getattr(param, name, None)
    if value is None or (name == "operate" and not isinstance(param, LockParam)):
        return None
    return say.format(value) if isinstance(say, str) else say.get(value, str(value))
