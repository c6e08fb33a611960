"""What each part of the daemon is like now: one typed snapshot a part, the same for gatewayctl and the demo.

Reading is all that happens here; what an operator can order is `console`'s.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec

from gatewayd import __version__, log
from gatewayd.admin.state_text import clusters_text, state_text
from gatewayd.cloud.delivery.sender import RestSender
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttSession
from gatewayd.cloud.sync.sync import Sync
from gatewayd.commands.executor import CommandExecutor
from gatewayd.firmware.checker import FirmwareCheck, FirmwareChecker
from gatewayd.model.errors import NotIdentifiedError
from gatewayd.model.ids import Category
from gatewayd.model.record import Record, ZigbeeParam
from gatewayd.provisioning.service import ProvisioningService
from gatewayd.store.store import Store
from gatewayd.trusted_time import BestClock
from gatewayd.zigbee.controller import ZigbeeController


class CloudParts(Protocol):
    """The parts that there are once the gateway knows its uuid."""

    @property
    def listener(self) -> RequestListener: ...

    @property
    def session(self) -> MqttSession: ...

    @property
    def sender(self) -> RestSender: ...

    @property
    def sync(self) -> Sync: ...

    @property
    def firmware(self) -> FirmwareChecker: ...


class CloudSource(Protocol):
    """Gives the cloud's parts, once they are there."""

    def services_or_none(self) -> CloudParts | None:
        """The parts; None before the gateway's uuid is known."""
        ...

    def services(self) -> CloudParts:
        """The parts. Raises NotIdentifiedError before the gateway's uuid is known."""
        ...


class PartTroubles(Protocol):
    """Knows which parts of the daemon had to be started anew."""

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why, and how often, by the part's name."""
        ...


class RadioSnapshot(msgspec.Struct, frozen=True):
    """The coordinator. `starts` counts how often it was started since the daemon was."""

    up: bool
    channel: int | None
    trouble: str | None
    starts: int


class MqttSnapshot(msgspec.Struct, frozen=True):
    """The connection to the broker.

    `up`: it is subscribed to the owner's topics, and the broker acknowledges what it is sent. `connections` counts
    those since the daemon started; `last_disconnect` says how the last one ended, with the broker's reason code.
    """

    up: bool
    trouble: str | None
    connections: int
    last_disconnect: str | None = None


class RestSnapshot(msgspec.Struct, frozen=True):
    """The way to the REST API."""

    trouble: str | None


class StoreSnapshot(msgspec.Struct, frozen=True):
    """The database. `secrets`: what is wrong with the state key or what it sealed."""

    problem: str | None
    secrets: str | None = None


class ClockSnapshot(msgspec.Struct, frozen=True):
    """The clock that is followed: the "cloud"'s, the "system"'s while it is synchronized, or a "guess": the board's,
    but never before the last cloud time on disk. A guess is not trusted: no lock is operated then.

    `now` is the time by it (UTC), `board_off_by_s` what the board's own clock is ahead of that. `trouble` says why the
    cloud's last answer is not believed.
    """

    source: str
    now: str
    board_off_by_s: int
    trouble: str | None = None


class ProvisioningSnapshot(msgspec.Struct, frozen=True):
    """The provisioning window. `endless`: open until the gateway has reached the cloud once."""

    open: bool
    endless: bool
    fingerprint: str


class DeviceSnapshot(msgspec.Struct, frozen=True):
    """A device that the catalogue knows. `state` is for people; `battery` in per cent; `linked` to a cloud record."""

    uuid: str
    category: Category
    type: str
    title: str
    online: bool
    battery: int | None
    state: str
    linked: bool | str


class UnknownDeviceSnapshot(msgspec.Struct, frozen=True):
    """A device that the catalogue does not know; `state` lists its endpoints and clusters."""

    uuid: str
    category: Category
    title: str
    state: str


class GatewayStatus(msgspec.Struct, frozen=True):
    """The whole daemon. `outbox`: items waiting by route; `requests`: since the start, by what became of them.

    `parts`: those that fail again and again and are started anew, and why; `log_lines_dropped`: since the start, and
    `log_lines_suppressed`, those that repeated others;
    `warnings`: of the settings; `datagrams`: over UDP since the start, `admitted` ones and why others were not.
    """

    version: str
    gateway: str | None
    owner: str
    up_s: int
    radio: RadioSnapshot
    mqtt: MqttSnapshot
    rest: RestSnapshot
    store: StoreSnapshot
    clock: ClockSnapshot
    devices: int
    outbox: dict[str, int]
    requests: dict[str, int]
    warnings: list[str]
    parts: dict[str, str] = {}
    log_lines_dropped: int = 0
    log_lines_suppressed: int = 0
    datagrams: dict[str, int] = {}


class StatusReader:
    """Takes snapshots of the parts that it is given. `cloud` has none until the gateway's uuid is known."""

    def __init__(
        self,
        store: Store,
        zigbee: ZigbeeController,
        executor: CommandExecutor,
        provisioning: ProvisioningService,
        cloud: CloudSource,
        parts: PartTroubles,
        clock: BestClock,
        *,
        owner: str,
        warnings: Collection[str],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._zigbee = zigbee
        self._executor = executor
        self._provisioning = provisioning
        self._cloud = cloud
        self._parts = parts
        self._clock = clock
        self._owner = owner
        self._warnings = warnings
        self._monotonic = monotonic
        self._started = monotonic()

    async def gateway(self) -> GatewayStatus:
        """Everything that `gatewayctl status` shows."""
        network = self._zigbee.network
        return GatewayStatus(
            version=__version__,
            gateway=network.coordinator if network else None,
            owner=self._owner,
            up_s=round(self._monotonic() - self._started),
            radio=self.radio(),
            mqtt=self.mqtt(),
            rest=self.rest(),
            store=self.store(),
            clock=self.clock(),
            devices=sum(isinstance(record.param, ZigbeeParam) for record in self._store.mirror.all()),
            outbox=await self.outbox(),
            requests=self.requests(),
            warnings=list(self._warnings),
            parts=dict(self._parts.troubles),
            log_lines_dropped=log.dropped_lines(),
            log_lines_suppressed=log.suppressed_lines(),
            datagrams=self.datagrams(),
        )

    def line(self) -> str:
        """How the daemon is, in a line: what `systemctl status` shows."""
        radio, mqtt = self.radio(), self.mqtt()
        troubles = {
            "radio away": None if radio.up else radio.trouble,
            "no MQTT": None if mqtt.up else mqtt.trouble,
            "REST": self.rest().trouble,
            "store": self.store().problem,
            "clock": self.clock().trouble,
            **self._parts.troubles,
        }
        found = [f"{what}: {reason}" for what, reason in troubles.items() if reason is not None]
        return "; ".join(found) or f"radio up on channel {radio.channel}, connected to the cloud"

    def radio(self) -> RadioSnapshot:
        """The coordinator and its network."""
        network, radio = self._zigbee.network, self._zigbee.radio
        return RadioSnapshot(radio.up.is_set(), network.channel if network else None, radio.trouble, radio.starts)

    def mqtt(self) -> MqttSnapshot:
        """The connection to the broker."""
        if (cloud := self._cloud.services_or_none()) is None:
            return MqttSnapshot(up=False, trouble=str(NotIdentifiedError()), connections=0)
        session = cloud.session
        is_refused = any(
            name.startswith(f"{self._owner}/") for name in session.refused_filters | session.refused_messages
        )
        is_up = session.is_working and not is_refused
        return MqttSnapshot(is_up, session.trouble, session.connections, session.last_disconnect)

    def rest(self) -> RestSnapshot:
        """The way to the REST API."""
        cloud = self._cloud.services_or_none()
        return RestSnapshot(cloud.sender.trouble if cloud else None)

    def store(self) -> StoreSnapshot:
        """The database."""
        problem = self._store.problem
        return StoreSnapshot(problem.reason if problem else None, self._store.secrets_problem)

    def clock(self) -> ClockSnapshot:
        """The clock that is followed."""
        state = self._clock.state()
        offset_s = round(state.system_offset.total_seconds())
        return ClockSnapshot(state.source, f"{state.now:%Y-%m-%dT%H:%M:%SZ}", offset_s, state.trouble)

    async def outbox(self) -> dict[str, int]:
        """How many items wait for the cloud, by route."""
        return {str(route): depth for route, depth in (await self._store.outbox.depth()).items()}

    def requests(self) -> dict[str, int]:
        """How many requests came since the start, by what became of them."""
        cloud = self._cloud.services_or_none()
        return dict(self._executor.counters + cloud.listener.counters + cloud.session.counters) if cloud else {}

    def datagrams(self) -> dict[str, int]:
        """How many datagrams came since the start, by what became of them."""
        return {decision.name.lower(): count for decision, count in self._provisioning.admissions.items()}

    def firmware(self) -> FirmwareCheck | None:
        """What the last look for newer firmware found; None before there was one."""
        cloud = self._cloud.services_or_none()
        return cloud.firmware.last_check if cloud else None

    def provisioning(self) -> ProvisioningSnapshot:
        """The provisioning window."""
        service = self._provisioning
        return ProvisioningSnapshot(service.window_is_open, service.window_has_no_end, service.fingerprint)

    def devices(self) -> list[DeviceSnapshot | UnknownDeviceSnapshot]:
        """Every device on the radio, known to the catalogue or not."""
        known = [
            _device(record, record.param)
            for record in self._store.mirror.all()
            if isinstance(record.param, ZigbeeParam)
        ]
        unknown = [
            UnknownDeviceSnapshot(
                device.uuid,
                Category.UNKNOWN,
                title=" ".join(filter(None, (device.manufacturer, device.model))),
                state="; ".join(f"endpoint {id_}: {clusters_text(inputs)}" for id_, inputs, _ in device.endpoints),
            )
            for device in self._zigbee.devices.unknown.values()
        ]
        return [*known, *unknown]


def _device(record: Record, param: ZigbeeParam) -> DeviceSnapshot:
    return DeviceSnapshot(
        uuid=record.uuid,
        category=record.category,
        type=record.type_sub,
        title=record.title,
        online=param.status == 1,
        battery=param.battery,
        state=state_text(record),
        linked="no longer" if record.unlinked else record.id is not None,
    )
