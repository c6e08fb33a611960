"""The devices on the network: who is hosted, who has just come or gone, who is still there.

zigpy interviews; this takes in what it interviewed and looks after the silent ones. What is done with a device that
is there, `upkeep` does in the background.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import structlog

from gatewayd.model.errors import DeviceUnreachableError, RadioUnavailableError, UnknownDeviceError
from gatewayd.model.event import AvailabilityChanged, DeviceJoined, DeviceLeft, UnknownDevice
from gatewayd.model.ids import Uuid
from gatewayd.model.ports import FactStore, RecordReader
from gatewayd.model.record import Record, ZigbeeParam
from gatewayd.zigbee.availability import CHECK_EVERY_S, SilenceCheck, judge
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.device import Emit, ZigbeeDevice, signature_of, uuid_of
from gatewayd.zigbee.device_setup import DeviceSetup, SetupTask
from gatewayd.zigbee.door_lock import DoorLock

log = structlog.get_logger()


class DeviceRegistry:
    """Everything on the network that the catalogue knows, and what it does not."""

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
        self._hosted: dict[Uuid, ZigbeeDevice] = {}
        self._upkeep = DeviceSetup(facts)
        self.unknown: dict[Uuid, UnknownDevice] = {}

    def get(self, uuid: Uuid) -> ZigbeeDevice:
        """Raises UnknownDeviceError."""
        if (hosted := self._hosted.get(uuid)) is None:
            raise UnknownDeviceError(f"no device {uuid} is on the network")
        return hosted

    def is_hosted(self, uuid: Uuid) -> bool:
        """True for what is on the network and known to the catalogue."""
        return uuid in self._hosted

    def is_lock(self, uuid: Uuid) -> bool:
        """True for a lock that is hosted."""
        return isinstance(self._hosted.get(uuid), DoorLock)

    def lock(self, uuid: Uuid) -> DoorLock:
        """Raises UnknownDeviceError where it is no lock."""
        if not isinstance(hosted := self.get(uuid), DoorLock):
            raise UnknownDeviceError(f"{uuid} is no lock")
        return hosted

    def all(self) -> tuple[ZigbeeDevice, ...]:
        """Everything that is hosted."""
        return tuple(self._hosted.values())

    def attach(self, app: Any) -> None:
        """Host what a freshly started application knows, and listen to it for more."""
        self.detach()
        self.unknown.clear()
        self._app = app
        app.add_listener(self)
        coordinator = app.state.node_info.ieee
        for device in app.devices.values():
            if device.ieee != coordinator and device.is_initialized and (hosted := self._host(device)) is not None:
                self._upkeep.resume(hosted)
                if self._mirror.get(hosted.uuid) is None:  # the database was lost
                    self._emit(DeviceJoined(hosted.record(None), self._now()))
        for record in self._mirror.all():
            if isinstance(record.param, ZigbeeParam) and record.param.status and record.uuid not in self._hosted:
                self._emit(AvailabilityChanged(record.uuid, False, self._now()))  # zigpy's was: it has to speak first

    def detach(self) -> None:
        """The application has ended: its devices are nobody's."""
        for hosted in self.all():
            self._let_go(hosted)

    async def run(self) -> None:
        """Look after who is there and who is silent, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._upkeep.run())

    def refresh(self, uuid: Uuid) -> None:
        """Read a device's true state, soon and in its turn."""
        if (hosted := self._hosted.get(uuid)) is not None:
            self._upkeep.want(hosted, SetupTask.READ)

    # What zigpy calls, by these names.

    def device_initialized(self, device: Any) -> None:
        """It was interviewed, or comes again under another address."""
        if (hosted := self._host(device)) is None:
            return
        hosted.answers = True
        log.info("device_interviewed", uuid=hosted.uuid, type_sub=hosted.match.type_sub)
        self._emit(DeviceJoined(hosted.record(self._mirror.get(hosted.uuid)), self._now()))
        self._upkeep.want(hosted, SetupTask.SET_UP)

    def device_left(self, device: Any) -> None:
        """zigpy would keep it, and say nothing of it when it comes again: so that forgets it as well."""
        device.on_remove()
        self._app.devices.pop(device.ieee, None)
        self._app.listener_event("device_removed", device)

    def device_removed(self, device: Any) -> None:
        """It left, or was removed."""
        uuid = uuid_of(device)
        self.unknown.pop(uuid, None)
        if (hosted := self._hosted.get(uuid)) is not None:
            self._let_go(hosted)
            self._emit(DeviceLeft(uuid, self._now()))

    def _let_go(self, hosted: ZigbeeDevice) -> None:
        hosted.close()
        self._upkeep.drop(hosted)
        del self._hosted[hosted.uuid]

    def _host(self, device: Any) -> ZigbeeDevice | None:
        signature = signature_of(device)
        match = self._catalogue.match(signature)
        uuid = uuid_of(device)
        if match is None:
            if uuid not in self.unknown:
                log.warning("device_unknown", uuid=uuid, manufacturer=device.manufacturer, model=device.model)
            self.unknown[uuid] = _describe(uuid, device)
            return None
        self.unknown.pop(uuid, None)
        if uuid in self._hosted:
            self._let_go(self._hosted[uuid])
        hosted = (
            DoorLock(device, match, self._emit, self._now, zone=self._zone)
            if match.driver.has_lock_events
            else ZigbeeDevice(device, match, self._emit, self._now)
        )
        hosted.last_heard = asyncio.get_running_loop().time()
        hosted.answers = _answered(self._mirror.get(uuid))
        hosted.listen(device, _LastSeen(self, hosted))
        hosted.listen(device.zdo, _Announced(self._upkeep, hosted))
        for greeting in match.driver.greetings:
            hosted.hear(greeting.cluster, greeting.asked_by, partial(self._asked, hosted))
        self._hosted[uuid] = hosted
        return hosted

    def _asked(self, hosted: ZigbeeDevice, _endpoint: int, _args: Any) -> None:
        self._upkeep.want(hosted, SetupTask.GREET)

    def heard(self, hosted: ZigbeeDevice) -> None:
        """A device has said something, whatever it was."""
        hosted.last_heard = asyncio.get_running_loop().time()
        self._upkeep.heard(hosted)
        if not hosted.answers:
            self._is_available(hosted, online=True)
            self._upkeep.want(hosted, SetupTask.READ)  # what it said meanwhile nobody heard

    def _is_available(self, hosted: ZigbeeDevice, *, online: bool) -> None:
        if hosted.answers is not online:
            hosted.answers = online
            self._emit(AvailabilityChanged(hosted.uuid, online, self._now()))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await self.look_around()

    async def look_around(self) -> None:
        """Judge everyone; who has to be asked is asked side by side, so that none waits for a dead one."""
        now = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for hosted in self.all():
                match judge(now - hosted.last_heard, sleeps=hosted.sleeps):
                    case SilenceCheck.GONE:
                        self._is_available(hosted, online=False)
                    case SilenceCheck.PING:
                        tasks.create_task(self._ping(hosted))

    async def _ping(self, hosted: ZigbeeDevice) -> None:
        try:
            await hosted.ping()
        except DeviceUnreachableError:
            self._is_available(hosted, online=False)
        except RadioUnavailableError:
            return


class _LastSeen:
    """zigpy's word for "this device has sent a packet"."""

    def __init__(self, devices: DeviceRegistry, hosted: ZigbeeDevice) -> None:
        self._devices = devices
        self._hosted = hosted

    def device_last_seen_updated(self, _moment: Any) -> None:
        self._devices.heard(self._hosted)


class _Announced:
    """zigpy's word for "this device joined, or has power again". Whether it was reset meanwhile it does not say."""

    def __init__(self, upkeep: DeviceSetup, hosted: ZigbeeDevice) -> None:
        self._upkeep = upkeep
        self._hosted = hosted

    def device_announce(self, _device: Any) -> None:
        self._upkeep.want(self._hosted, SetupTask.SET_UP)


def _answered(known: Record | None) -> bool:
    """Whether a device could be reached when it was last looked at."""
    return known is None or not isinstance(known.param, ZigbeeParam) or bool(known.param.status)


def _describe(uuid: Uuid, device: Any) -> UnknownDevice:
    endpoints = tuple(
        (int(endpoint.endpoint_id), tuple(map(int, endpoint.in_clusters)), tuple(map(int, endpoint.out_clusters)))
        for endpoint in device.non_zdo_endpoints
    )
    return UnknownDevice(uuid, _plain(device.manufacturer), _plain(device.model), endpoints)


def _plain(word: Any) -> str | None:
    """zigpy's own kind of text, as text."""
    return None if word is None else str(word)
