"""A device that this gateway hosts: zigpy's device, its driver, and the way between them and the record."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
from msgspec.structs import replace
from zigpy.zcl import foundation

from gatewayd.model.change import Change
from gatewayd.model.errors import DeviceUnreachableError
from gatewayd.model.event import AttributeReported, DeviceReady, RadioEvent
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record, ZigbeeParam
from gatewayd.zigbee.catalogue import CatalogueMatch, Signature
from gatewayd.zigbee.drivers.base import AttributeReport, CoordinatorAddress, StatusNotification, ZclCommand
from gatewayd.zigbee.radios.errors import translated

log = structlog.get_logger()

_ONLINE: Final = 1
Emit = Callable[[RadioEvent], None]


class ZigbeeDevice:
    """Listens to one device, until it is let go, and speaks to it. Made again whenever the application is."""

    def __init__(self, device: Any, match: CatalogueMatch, emit: Emit, now: Callable[[], datetime]) -> None:
        self._device = device
        self._emit = emit
        self._now = now
        self.uuid = uuid_of(device)
        self.match = match
        self.last_heard = 0.0
        self.answers = True
        self._channel_of = {endpoint: channel for channel, endpoint in match.channels.items()}
        self._let_go = ExitStack()
        for endpoint in device.non_zdo_endpoints:
            for cluster_id in match.driver.clusters & endpoint.in_clusters.keys():
                cluster = endpoint.in_clusters[cluster_id]
                for event in ("attribute_report", "attribute_read"):
                    self._let_go.callback(cluster.on_event(event, self._reported))
        for notice in match.driver.notices:
            self.hear(notice.cluster, notice.command, partial(self._noticed, notice))

    def hear(self, cluster: int, command: int, heard: Callable[[int, Any], None]) -> None:
        """Let `heard` take, with the endpoint that it came from, what the device says by `command`."""
        for endpoint in self._device.non_zdo_endpoints:
            if cluster in endpoint.in_clusters:
                self.listen(
                    endpoint.in_clusters[cluster], _CommandListener(command, partial(heard, endpoint.endpoint_id))
                )

    def listen(self, speaker: Any, listener: object) -> None:
        """Let `listener` hear one of zigpy's speakers (a device, a cluster) until this is let go."""
        speaker.add_listener(listener)
        self._let_go.callback(speaker.remove_listener, listener)

    def close(self) -> None:
        """Hear it no more: zigpy may keep the device, and host it anew."""
        self._let_go.close()

    @property
    def sleeps(self) -> bool:
        """True for a device that hears only when it asks (a battery end device)."""
        descriptor = self._device.node_desc
        return descriptor is not None and not descriptor.is_receiver_on_when_idle

    @property
    def device(self) -> Any:
        """zigpy's device, for this room alone."""
        return self._device

    def record(self, known: Record | None) -> Record:
        """The device's record as the radio knows it; what the household said of it is kept from `known`."""
        match, device = self.match, self._device
        fresh = match.driver.make_param(len(match.channels))
        param = known.param if known is not None and type(known.param) is type(fresh) else fresh
        assert isinstance(param, ZigbeeParam)
        param = replace(
            param,
            zgb_short=":".join(f"{int(device.nwk):04X}"[place : place + 2] for place in (0, 2)),
            zgb_ieee=str(device.ieee).upper(),
            zgb_status="1",
            status=_ONLINE,
            devinfo=" ".join(word for word in (device.manufacturer, device.model) if word) or None,
        )
        if known is not None:
            return replace(known, category=match.driver.category, type_sub=match.type_sub, param=param)
        return Record(
            uuid=self.uuid,
            category=match.driver.category,
            title=match.title,
            type_sub=match.type_sub,
            body=match.title,
            ver="0.0.1",
            param=param,
        )

    def emit_ready(self) -> None:
        """It has been configured, and then read: what changed before it reported is not missed."""
        self._emit(DeviceReady(self.uuid))

    async def configure(self) -> None:
        """Bind, ask for reports, set what the driver sets. What a device does not support is passed over.

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        driver = self.match.driver
        for cluster_id, attribute, value in driver.write:
            if (cluster := self._cluster(cluster_id)) is not None:
                raw = self._device.application.state.node_info.ieee if value is CoordinatorAddress else value
                with translated(self.uuid, "configuring"):
                    await cluster.write_attributes({attribute: raw})
        for endpoint in self._device.non_zdo_endpoints:
            for cluster_id in sorted(driver.clusters & endpoint.in_clusters.keys()):
                cluster = endpoint.in_clusters[cluster_id]
                with translated(self.uuid, "binding"):
                    await cluster.bind()
                for (of, attribute), (reading, *_) in driver.by_attribute.items():
                    if of == cluster_id:
                        with translated(self.uuid, "configuring reports of"):
                            await cluster.configure_reporting(
                                attribute, reading.minimum, reading.maximum, reading.change
                            )

    async def enroll(self) -> None:
        """Say what the device waits for. Raises DeviceUnreachableError, RadioUnavailableError."""
        for greeting in self.match.driver.greetings:
            if (cluster := self._cluster(greeting.cluster)) is not None:
                with translated(self.uuid, "greeting"):
                    await cluster.command(greeting.command, *greeting.args, expect_reply=False)

    async def read(self) -> None:
        """Read every attribute that the record shows; what comes is reported as if the device had said it."""
        driver = self.match.driver
        for endpoint in self._device.non_zdo_endpoints:
            for cluster_id in sorted(driver.clusters & endpoint.in_clusters.keys()):
                wanted = [attribute for of, attribute in driver.by_attribute if of == cluster_id]
                if wanted:
                    with translated(self.uuid, "reading"):
                        await endpoint.in_clusters[cluster_id].read_attributes(wanted)

    async def send_command(self, order: ZclCommand) -> None:
        """Send one command and wait for the device's yes. Raises DeviceUnreachableError where it says no."""
        cluster = self._device.endpoints[order.endpoint].in_clusters[order.cluster]
        with translated(self.uuid, "commanding"):
            answer = await cluster.command(order.command, *order.args)
        status = getattr(answer, "status", foundation.Status.SUCCESS)
        if status != foundation.Status.SUCCESS:
            raise DeviceUnreachableError(f"{self.uuid} refused command {order.command:#04x}: {status!r}")

    async def ping(self) -> None:
        """The smallest thing that a device can answer: its ZCL version."""
        basic = self._cluster(0x0000)
        if basic is not None:
            with translated(self.uuid, "pinging"):
                await basic.read_attributes([0x0000])

    def _cluster(self, cluster_id: int) -> Any:
        for endpoint in self._device.non_zdo_endpoints:
            if cluster_id in endpoint.in_clusters:
                return endpoint.in_clusters[cluster_id]
        return None

    def _reported(self, event: Any) -> None:
        """zigpy's event: on the hot path, a thousand times a second."""
        raw = event.raw_value if event.raw_value is not None else event.value
        self._take(event.cluster_id, event.attribute_id, event.endpoint_id, raw)

    def _noticed(self, notice: StatusNotification, endpoint: int, args: Any) -> None:
        self._take(notice.cluster, notice.attribute, endpoint, getattr(args, notice.argument))

    def _take(self, cluster: int, attribute: int, endpoint: int, raw: Any) -> None:
        readings = self.match.driver.by_attribute.get((cluster, attribute), ())
        if changes := tuple(self._change(reading, endpoint, raw) for reading in readings):
            self._emit(AttributeReported(self.uuid, changes, self._now()))

    def _change(self, reading: AttributeReport, endpoint: int, raw: Any) -> Change:
        channel = self._channel_of.get(endpoint, 0) if reading.per_channel else 0
        return Change(reading.field, None if raw is None else reading.convert(int(raw)), channel)


class _CommandListener:
    """zigpy calls listeners by a method's name, and logs what they raise at DEBUG: so this says it aloud."""

    def __init__(self, command: int, heard: Callable[[Any], None]) -> None:
        self._command = command
        self._heard = heard

    def cluster_command(self, _tsn: int, command: int, args: Any) -> None:
        if command != self._command:
            return
        try:
            self._heard(args)
        except Exception:  # the edge of zigpy's world: a frame that no device should send
            log.exception("frame_not_understood", command=command)


def uuid_of(device: Any) -> Uuid:
    """A zigpy device's IEEE address as a uuid."""
    return Uuid(str(device.ieee).replace(":", ""))


def signature_of(device: Any) -> Signature:
    """What a zigpy device says of itself."""
    return Signature(
        {endpoint.endpoint_id: frozenset(endpoint.in_clusters) for endpoint in device.non_zdo_endpoints},
        device.manufacturer,
        device.model,
    )
