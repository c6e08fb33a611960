"""The devices on the network: registered when zigpy has interviewed them, removed when they leave.

zigpy calls this module's listener methods. `device_setup` configures and reads registered devices in the background,
`availability` checks whether they can be reached.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import structlog

from gatewayd.model.errors import UnknownDeviceError
from gatewayd.model.event import AvailabilityChanged, DeviceJoined, DeviceLeft, UnknownDevice
from gatewayd.model.ids import Uuid
from gatewayd.model.ports import FactStore, RecordReader
from gatewayd.model.record import Record, ZigbeeParam
from gatewayd.zigbee.addresses import uuid_of
from gatewayd.zigbee.availability import AvailabilityMonitor
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.device import Emit, ZigbeeDevice, signature_of
from gatewayd.zigbee.device_setup import DeviceSetup, SetupTask
from gatewayd.zigbee.door_lock import DoorLock

log = structlog.get_logger()


class DeviceRegistry:
    """Every device on the network that the catalogue knows; `unknown` are those that it does not know."""

    def __init__(
        self,
        catalogue: Catalogue,
        emit: Emit,
        mirror: RecordReader,
        facts: FactStore,
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
    ) -> None:
        self._catalogue = catalogue
        self._emit = emit
        self._mirror = mirror
        self._now = now
        self._zone = zone
        self._app: Any = None
        self._devices: dict[Uuid, ZigbeeDevice] = {}
        self._setup = DeviceSetup(facts)
        self.availability = AvailabilityMonitor(self.all, emit, now)
        self.unknown: dict[Uuid, UnknownDevice] = {}

    def __contains__(self, uuid: Uuid) -> bool:
        return uuid in self._devices

    def get(self, uuid: Uuid) -> ZigbeeDevice:
        """The registered device. Raises UnknownDeviceError."""
        if (device := self._devices.get(uuid)) is None:
            raise UnknownDeviceError(f"no device {uuid} is on the network")
        return device

    def is_lock(self, uuid: Uuid) -> bool:
        """True for a registered lock."""
        return isinstance(self._devices.get(uuid), DoorLock)

    def all(self) -> tuple[ZigbeeDevice, ...]:
        """Every registered device."""
        return tuple(self._devices.values())

    def attach(self, app: Any) -> None:
        """Register the devices of a newly started zigpy application, and listen to it for more."""
        self.detach()
        self.unknown.clear()
        self._app = app
        app.add_listener(self)
        coordinator = app.state.node_info.ieee
        for zigpy_device in app.devices.values():
            if zigpy_device.ieee == coordinator or not zigpy_device.is_initialized:
                continue
            try:
                self._resume(zigpy_device)
            except Exception:  # what one device says of itself must not take the others off
                log.exception("device_not_registered", uuid=uuid_of(zigpy_device.ieee))
        for record in self._mirror.all():
            if isinstance(record.param, ZigbeeParam) and record.param.status and record.uuid not in self._devices:
                # zigpy's database was lost: zigpy knows the device again once it sends a packet
                self._emit(AvailabilityChanged(record.uuid, False, self._now()))

    def _resume(self, zigpy_device: Any) -> None:
        if (device := self._register(zigpy_device)) is not None:
            self._setup.resume(device)
            if self._mirror.get(device.uuid) is None:  # the mirror's database was lost
                self._emit(DeviceJoined(device.record(None), self._now()))

    def detach(self) -> None:
        """Forget the devices of an application that has ended."""
        for device in self.all():
            self._unregister(device)

    async def run(self) -> None:
        """Set devices up and check their availability, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.availability.run())
            tasks.create_task(self._setup.run())

    def refresh(self, uuid: Uuid) -> None:
        """Read a device's attributes soon; no effect where it is not registered."""
        if (device := self._devices.get(uuid)) is not None:
            self._setup.request(device, SetupTask.READ)

    def packet_received(self, device: ZigbeeDevice) -> None:
        """The device has sent a packet of any kind. Called for every packet."""
        device.last_seen = asyncio.get_running_loop().time()
        self._setup.wake(device)
        if not device.online:
            self.availability.set_online(device, online=True)
            self._setup.request(device, SetupTask.READ)  # what changed while it was offline was not received

    # Listener methods that zigpy calls by these names.

    def device_initialized(self, zigpy_device: Any) -> None:
        """A device was interviewed, or has joined again with another network address."""
        try:
            self._set_up(zigpy_device)
        except Exception:  # zigpy would log it at DEBUG
            log.exception("device_not_registered", uuid=uuid_of(zigpy_device.ieee))

    def _set_up(self, zigpy_device: Any) -> None:
        if (device := self._register(zigpy_device)) is None:
            return
        device.online = True
        log.info("device_interviewed", uuid=device.uuid, type_sub=device.match.type_sub)
        self._emit(DeviceJoined(device.record(self._mirror.get(device.uuid)), self._now()))
        self._setup.request(device, SetupTask.SET_UP)

    def device_left(self, zigpy_device: Any) -> None:
        """A device left. zigpy would retain it and not report it when it joins again: so it is removed there too."""
        zigpy_device.on_remove()
        self._app.devices.pop(zigpy_device.ieee, None)
        self._app.listener_event("device_removed", zigpy_device)

    def device_removed(self, zigpy_device: Any) -> None:
        """A device left, or was removed."""
        uuid = uuid_of(zigpy_device.ieee)
        self.unknown.pop(uuid, None)
        if (device := self._devices.get(uuid)) is not None:
            self._unregister(device)
            self._emit(DeviceLeft(uuid, self._now()))

    def _register(self, zigpy_device: Any) -> ZigbeeDevice | None:
        """Make a device of zigpy's, in place of an earlier one; None where the catalogue does not know it."""
        uuid = uuid_of(zigpy_device.ieee)
        match = self._catalogue.match(signature_of(zigpy_device))
        if match is None:
            if uuid not in self.unknown:
                maker, model = zigpy_device.manufacturer, zigpy_device.model
                log.warning("device_unknown", uuid=uuid, manufacturer=maker, model=model)
            self.unknown[uuid] = _describe_unknown(uuid, zigpy_device)
            if uuid in self._devices:
                self._unregister(self._devices[uuid])
            if self._mirror.get(uuid) is not None:  # it has a record, and can do nothing of what that says
                self._emit(AvailabilityChanged(uuid, False, self._now()))
            return None
        self.unknown.pop(uuid, None)
        if uuid in self._devices:
            self._unregister(self._devices[uuid])
        device = (
            DoorLock(zigpy_device, match, self._emit, self._now, zone=self._zone)
            if match.driver.has_lock_events
            else ZigbeeDevice(zigpy_device, match, self._emit, self._now)
        )
        device.last_seen = asyncio.get_running_loop().time()
        device.online = _was_online(self._mirror.get(uuid))
        device.add_listener(zigpy_device, _LastSeenListener(self, device))
        device.add_listener(zigpy_device.zdo, _AnnounceListener(self._setup, device))
        for enrollment in match.driver.enrollments:
            device.on_command(enrollment.cluster, enrollment.requested_by, partial(self._on_enroll_request, device))
        self._devices[uuid] = device
        return device

    def _unregister(self, device: ZigbeeDevice) -> None:
        device.close()
        self._setup.drop(device)
        del self._devices[device.uuid]

    def _on_enroll_request(self, device: ZigbeeDevice, _endpoint: int, _args: Any) -> None:
        self._setup.request(device, SetupTask.ENROLL)


class _LastSeenListener:
    """zigpy calls it for each packet of a device."""

    def __init__(self, registry: DeviceRegistry, device: ZigbeeDevice) -> None:
        self._registry = registry
        self._device = device

    def device_last_seen_updated(self, _last_seen: Any) -> None:
        self._registry.packet_received(self._device)


class _AnnounceListener:
    """zigpy calls it when a device has joined again or has power again. Either may come after a factory reset."""

    def __init__(self, setup: DeviceSetup, device: ZigbeeDevice) -> None:
        self._setup = setup
        self._device = device

    def device_announce(self, _zigpy_device: Any) -> None:
        self._setup.request(self._device, SetupTask.SET_UP)


def _was_online(known: Record | None) -> bool:
    """Whether the record shows the device as reachable; a device without a record is."""
    return known is None or not isinstance(known.param, ZigbeeParam) or bool(known.param.status)


def _describe_unknown(uuid: Uuid, zigpy_device: Any) -> UnknownDevice:
    endpoints = tuple(
        (int(endpoint.endpoint_id), tuple(map(int, endpoint.in_clusters)), tuple(map(int, endpoint.out_clusters)))
        for endpoint in zigpy_device.non_zdo_endpoints
    )
    return UnknownDevice(uuid, _text_or_none(zigpy_device.manufacturer), _text_or_none(zigpy_device.model), endpoints)


def _text_or_none(text: Any) -> str | None:
    """zigpy's kind of text as a plain str."""
    return None if text is None else str(text)
