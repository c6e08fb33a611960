"""A device on the network: zigpy's device and the driver that fits it, and what goes from one to the record and back.

`device_registry` creates devices and closes them; `device_setup` decides when a device is configured and read.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
from msgspec.structs import replace
from zigpy.zcl import foundation
from zigpy.zcl.clusters.general import Basic

from gatewayd.model.change import Change
from gatewayd.model.errors import DeviceUnreachableError, RefusedError
from gatewayd.model.event import AttributeReported, DeviceReady, RadioEvent
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record, ZigbeeParam
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.addresses import uuid_of
from gatewayd.zigbee.catalogue import CatalogueMatch, Signature
from gatewayd.zigbee.command_time import CommandTime
from gatewayd.zigbee.drivers.base import AttributeReport, CoordinatorAddress, StatusNotification, ZclCommand
from gatewayd.zigbee.radios.errors import translate_errors

log = structlog.get_logger()

_ONLINE: Final = 1
_SUBSCRIBED_EVENTS: Final = ("attribute_report", "attribute_read")

Emit = Callable[[RadioEvent], None]
CommandHandler = Callable[[int, Any], None]
"""Called with the endpoint that sent a command, and the command's arguments as zigpy decoded them."""


class ZigbeeDevice:
    """One device of one zigpy application: a restarted application has other devices.

    What the device reports is emitted until `close`. `last_seen` is when it last sent a packet, by the event loop's
    clock; `online` whether it can be reached, as far as is known.
    """

    def __init__(self, zigpy_device: Any, match: CatalogueMatch, emit: Emit, now: Callable[[], datetime]) -> None:
        self._zigpy_device = zigpy_device
        self._emit = emit
        self._now = now
        self.uuid = uuid_of(zigpy_device.ieee)
        self.match = match
        self.last_seen = 0.0
        self.online = True
        self._channel_of = {endpoint: channel for channel, endpoint in match.channels.items()}
        self._watches: list[_Watch] = []
        self._subscriptions = ExitStack()
        for cluster in self._driver_clusters():
            for event in _SUBSCRIBED_EVENTS:
                self._subscriptions.callback(cluster.on_event(event, self._on_attribute))
        for notification in match.driver.notifications:
            self.on_command(notification.cluster, notification.command, partial(self._on_status, notification))

    def __str__(self) -> str:
        return self.uuid

    def on_command(self, cluster_id: int, command: int, handler: CommandHandler) -> None:
        """Call `handler` for each such command that the device sends, until `close`."""
        for endpoint in self._zigpy_device.non_zdo_endpoints:
            if (cluster := endpoint.in_clusters.get(cluster_id)) is not None:
                self.add_listener(cluster, _CommandListener(self.uuid, command, partial(handler, endpoint.endpoint_id)))

    def add_listener(self, source: Any, listener: object) -> None:
        """Add `listener` to a zigpy device, ZDO or cluster, until `close`."""
        source.add_listener(listener)
        self._subscriptions.callback(source.remove_listener, listener)

    def close(self) -> None:
        """Emit nothing more. zigpy may retain its device, and a new ZigbeeDevice may be made of it."""
        self._subscriptions.close()

    @property
    def nwk(self) -> int:
        """The device's present network address."""
        return int(self._zigpy_device.nwk)

    @property
    def heard_at(self) -> float:
        """When it last sent a packet, Unix seconds by the board's clock; over restarts of the radio, too."""
        return float(self._zigpy_device.last_seen or 0.0)

    @property
    def sleeps(self) -> bool:
        """True for a sleepy end device: it receives only what it polls for."""
        descriptor = self._zigpy_device.node_desc
        return descriptor is not None and not descriptor.is_receiver_on_when_idle

    def record(self, known: Record | None) -> Record:
        """The device's record with the fields that the radio owns; all others are those of `known`, or new."""
        match, device = self.match, self._zigpy_device
        new_param = match.driver.make_param(len(match.channels))
        param = known.param if known is not None and type(known.param) is type(new_param) else new_param
        assert isinstance(param, ZigbeeParam)
        param = replace(
            param,
            zgb_short=":".join(f"{int(device.nwk):04X}"[place : place + 2] for place in (0, 2)),
            zgb_ieee=str(device.ieee).upper(),
            zgb_status="1",
            status=_ONLINE,
            devinfo=" ".join(text for text in (device.manufacturer, device.model) if text) or None,
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
        """Emit DeviceReady: the device is configured, and was read after that, so that no change is missed."""
        self._emit(DeviceReady(self.uuid))

    async def configure(self) -> None:
        """Bind clusters, configure reports, write the driver's attributes. Refusals by the device are ignored.

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        driver = self.match.driver
        for cluster_id, attribute, value in driver.writes:
            if (cluster := self._find_cluster(cluster_id)) is not None:
                raw = self._zigpy_device.application.state.node_info.ieee if value is CoordinatorAddress else value
                with translate_errors(f"configuring {self.uuid}"):
                    await cluster.write_attributes({attribute: raw})
        for cluster in self._driver_clusters():
            with translate_errors(f"binding {self.uuid}"):
                await cluster.bind()
            for (cluster_id, attribute), (report, *_) in driver.reports_by_attribute.items():
                if cluster_id == cluster.cluster_id:
                    with translate_errors(f"configuring reports of {self.uuid}"):
                        await cluster.configure_reporting(
                            attribute, report.min_interval_s, report.max_interval_s, report.change
                        )

    async def enroll(self) -> None:
        """Send the driver's enrollments. Raises DeviceUnreachableError, RadioUnavailableError."""
        for enrollment in self.match.driver.enrollments:
            if (cluster := self._find_cluster(enrollment.cluster)) is not None:
                with translate_errors(f"enrolling {self.uuid}"):
                    await cluster.command(enrollment.command, *enrollment.args, expect_reply=False)

    async def read(self) -> None:
        """Read every attribute that the record shows; the values are emitted as if they had been reported.

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        attributes = self.match.driver.reports_by_attribute
        for cluster in self._driver_clusters():
            if wanted := [attribute for cluster_id, attribute in attributes if cluster_id == cluster.cluster_id]:
                with translate_errors(f"reading {self.uuid}"):
                    await cluster.read_attributes(wanted)

    async def send_command(self, command: ZclCommand, time: CommandTime) -> None:
        """Send a command and wait until the device has confirmed it: by its response, or by a value that it told after
        the command was sent (`ZclCommand.shows`). Where neither comes in time, its state is read and decides.

        Raises RefusedError (操作失败) where the state says that it was not carried out, DeviceUnreachableError where
        the device says nothing or refuses, RadioUnavailableError.
        """
        cluster = self._zigpy_device.endpoints[command.endpoint].in_clusters[command.cluster]
        loop = asyncio.get_running_loop()
        watch = _Watch(command, loop.create_future())
        self._watches.append(watch)
        request = asyncio.create_task(self._request(cluster, command))
        try:
            await asyncio.wait(
                (request, watch.confirmed), timeout=time.response_by - loop.time(), return_when=asyncio.FIRST_COMPLETED
            )
            if watch.confirmed.done():
                return
            if not request.done():
                failure = DeviceUnreachableError(f"{self.uuid} has not answered command {command.command:#04x}")
            elif (error := request.exception()) is None:
                return
            elif isinstance(error, _NotAnsweredError):
                failure = error
            else:
                raise error
            await _end(request)
            await self._read_state(cluster, time.state_by)
            if watch.shown is None:
                raise failure
            if not watch.shown:
                raise RefusedError(f"{failure}, and is not as it was told to be", OperationStatus.FAILED)
        finally:
            self._watches.remove(watch)
            await _end(request)

    async def _request(self, cluster: Any, command: ZclCommand) -> None:
        try:
            with translate_errors(f"commanding {self.uuid}"):
                answer = await cluster.command(command.command, *command.args)
        except DeviceUnreachableError as error:
            raise _NotAnsweredError(str(error)) from error
        status = getattr(answer, "status", foundation.Status.SUCCESS)
        if status != foundation.Status.SUCCESS:
            raise DeviceUnreachableError(f"{self.uuid} refused command {command.command:#04x}: {status!r}")

    async def _read_state(self, cluster: Any, by: float) -> None:
        """Read what the record shows of a cluster, if that comes by the loop time `by`."""
        wanted = [attribute for id_, attribute in self.match.driver.reports_by_attribute if id_ == cluster.cluster_id]
        try:
            async with asyncio.timeout_at(by):
                with translate_errors(f"reading {self.uuid}"):
                    await cluster.read_attributes(wanted)
        except (TimeoutError, DeviceUnreachableError) as error:
            log.info("state_not_read", uuid=self.uuid, reason=str(error) or "not in time")

    def _confirm(self, changes: Iterable[Change]) -> None:
        """Compare values that the device has just told with what the commands on their way are to bring about."""
        for change in changes:
            for watch in self._watches:
                watch.see(change)

    async def ping(self) -> None:
        """Read the ZCL version, which every device has. Raises DeviceUnreachableError, RadioUnavailableError."""
        if (basic := self._find_cluster(Basic.cluster_id)) is not None:
            with translate_errors(f"pinging {self.uuid}"):
                await basic.read_attributes([Basic.AttributeDefs.zcl_version.id])

    def _driver_clusters(self) -> Iterator[Any]:
        """zigpy's clusters that the driver uses, of every endpoint."""
        used = self.match.driver.clusters
        for endpoint in self._zigpy_device.non_zdo_endpoints:
            for cluster_id in sorted(used & endpoint.in_clusters.keys()):
                yield endpoint.in_clusters[cluster_id]

    def _find_cluster(self, cluster_id: int) -> Any:
        """zigpy's cluster of the first endpoint that has it; None where none has."""
        for endpoint in self._zigpy_device.non_zdo_endpoints:
            if cluster_id in endpoint.in_clusters:
                return endpoint.in_clusters[cluster_id]
        return None

    def _on_attribute(self, event: Any) -> None:
        """zigpy's event for an attribute that was reported or read. Called up to a thousand times a second."""
        raw = event.raw_value if event.raw_value is not None else event.value
        self._emit_report(event.cluster_id, event.attribute_id, event.endpoint_id, raw)

    def _on_status(self, notification: StatusNotification, endpoint: int, args: Any) -> None:
        self._emit_report(notification.cluster, notification.attribute, endpoint, getattr(args, notification.argument))

    def _emit_report(self, cluster_id: int, attribute: int, endpoint: int, raw: Any) -> None:
        reports = self.match.driver.reports_by_attribute.get((cluster_id, attribute), ())
        try:
            changes = tuple(self._change(report, endpoint, raw) for report in reports)
        except (ValueError, TypeError, ArithmeticError) as error:  # a value of another type than the attribute's
            reason = f"{type(error).__name__}: {error}"
            log.warning("report_not_understood", uuid=self.uuid, cluster=cluster_id, attribute=attribute, reason=reason)
            return
        if changes:
            self._confirm(changes)
            self._emit(AttributeReported(self.uuid, changes, self._now()))

    def _change(self, report: AttributeReport, endpoint: int, raw: Any) -> Change:
        channel = self._channel_of.get(endpoint, 0) if report.per_channel else 0
        return Change(report.field, None if raw is None else report.convert(int(raw)), channel)


class _NotAnsweredError(DeviceUnreachableError):
    """A command was not delivered or not answered: it may have been carried out all the same."""


@dataclass(slots=True)
class _Watch:
    """A command on its way, and what the device has told since it was sent."""

    command: ZclCommand
    confirmed: asyncio.Future[None]
    shown: bool | None = None

    def see(self, change: Change) -> None:
        shown = self.command.shows(change)
        if shown is None:
            return
        self.shown = shown
        if shown and not self.confirmed.done():
            self.confirmed.set_result(None)


class _CommandListener:
    """Receives one command of a cluster. zigpy calls listeners by method name, and logs what they raise at DEBUG: so
    this logs it as an error.
    """

    def __init__(self, uuid: Uuid, command: int, handler: Callable[[Any], None]) -> None:
        self._uuid = uuid
        self._command = command
        self._handler = handler

    def cluster_command(self, _tsn: int, command: int, args: Any) -> None:
        if command != self._command:
            return
        try:
            self._handler(args)
        except Exception:  # a frame that no device should send: it must not stop zigpy
            log.exception("command_not_understood", uuid=self._uuid, command=command)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended; what it raises is not wanted any more."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def signature_of(zigpy_device: Any) -> Signature:
    """What the catalogue matches of a zigpy device."""
    return Signature(
        {endpoint.endpoint_id: frozenset(endpoint.in_clusters) for endpoint in zigpy_device.non_zdo_endpoints},
        zigpy_device.manufacturer,
        zigpy_device.model,
    )
