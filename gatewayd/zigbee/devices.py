"""The devices on the network: who is hosted, who has just come or gone, who is still there.

zigpy interviews; this takes in what it interviewed, configures it in the background, and looks after the silent ones.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

import structlog

from gatewayd.model.errors import DeviceUnreachableError, GatewayError, RadioUnavailableError, UnknownDeviceError
from gatewayd.model.event import AvailabilityChanged, DeviceJoined, DeviceLeft, UnknownDevice
from gatewayd.model.record import Record
from gatewayd.model.words import Uuid
from gatewayd.zigbee.availability import CHECK_EVERY_S, Verdict, judge
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.device import Emit, Hosted, signature_of, uuid_of
from gatewayd.zigbee.lock_device import HostedLock

log = structlog.get_logger()

_AT_ONCE: Final = 4
"""Devices that are configured or read at the same time: a joining house must not choke the network."""

_TRIES: Final = 3
_BETWEEN_TRIES_S: Final = 5.0

Job = Callable[[], Any]


class Devices:
    """Everything on the network that the catalogue knows, and what it does not."""

    def __init__(
        self,
        catalogue: Catalogue,
        emit: Emit,
        records: Callable[[Uuid], Record | None],
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
    ) -> None:
        self._catalogue = catalogue
        self._emit = emit
        self._records = records
        self._now = now
        self._zone = zone
        self._hosted: dict[Uuid, Hosted] = {}
        self._jobs: asyncio.Queue[tuple[Uuid, Job]] = asyncio.Queue()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.unknown: dict[Uuid, UnknownDevice] = {}

    def get(self, uuid: Uuid) -> Hosted:
        """Raises UnknownDeviceError."""
        if (hosted := self._hosted.get(uuid)) is None:
            raise UnknownDeviceError(f"no device {uuid} is on the network")
        return hosted

    def is_lock(self, uuid: Uuid) -> bool:
        """True for a lock that is hosted."""
        return isinstance(self._hosted.get(uuid), HostedLock)

    def lock(self, uuid: Uuid) -> HostedLock:
        """Raises UnknownDeviceError where it is no lock."""
        if not isinstance(hosted := self.get(uuid), HostedLock):
            raise UnknownDeviceError(f"{uuid} is no lock")
        return hosted

    def all(self) -> tuple[Hosted, ...]:
        """Everything that is hosted."""
        return tuple(self._hosted.values())

    def attach(self, app: Any) -> None:
        """Host what a freshly started application knows, and listen to it for more."""
        app.add_listener(self)
        self._hosted.clear()
        coordinator = app.state.node_info.ieee
        for device in app.devices.values():
            if device.ieee != coordinator and device.is_initialized:
                self._host(device)

    async def run(self) -> None:
        """Configure who has joined and look after who is silent, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            while True:
                uuid, job = await self._jobs.get()
                tasks.create_task(self._do(uuid, job))

    def refresh(self, uuid: Uuid) -> None:
        """Read a device's true state, soon and in its turn."""
        if (hosted := self._hosted.get(uuid)) is not None:
            self._jobs.put_nowait((uuid, hosted.read))

    # What zigpy calls, by these names.

    def device_initialized(self, device: Any) -> None:
        if (hosted := self._host(device)) is None:
            return
        log.info("device_interviewed", uuid=hosted.uuid, type_sub=hosted.match.type_sub)
        self._emit(DeviceJoined(hosted.record(self._records(hosted.uuid)), self._now()))
        self._jobs.put_nowait((hosted.uuid, hosted.prepare))

    def device_left(self, device: Any) -> None:
        self._gone(uuid_of(device))

    def device_removed(self, device: Any) -> None:
        self._gone(uuid_of(device))

    def _gone(self, uuid: Uuid) -> None:
        self.unknown.pop(uuid, None)
        if self._hosted.pop(uuid, None) is not None:
            self._emit(DeviceLeft(uuid, self._now()))

    def _host(self, device: Any) -> Hosted | None:
        signature = signature_of(device)
        match = self._catalogue.match(signature)
        uuid = uuid_of(device)
        if match is None:
            if uuid not in self.unknown:
                log.warning("device_unknown", uuid=uuid, manufacturer=device.manufacturer, model=device.model)
            self.unknown[uuid] = _describe(uuid, device)
            return None
        self.unknown.pop(uuid, None)
        hosted = (
            HostedLock(device, match, self._emit, self._now, zone=self._zone)
            if match.driver.has_lock_events
            else Hosted(device, match, self._emit, self._now)
        )
        hosted.last_heard = asyncio.get_running_loop().time()
        device.add_listener(_LastSeen(self, hosted))
        self._hosted[uuid] = hosted
        return hosted

    def heard(self, hosted: Hosted) -> None:
        """A device has said something, whatever it was."""
        hosted.last_heard = asyncio.get_running_loop().time()
        if not hosted.answers:
            self._is_available(hosted, online=True)

    def _is_available(self, hosted: Hosted, *, online: bool) -> None:
        if hosted.answers is not online:
            hosted.answers = online
            self._emit(AvailabilityChanged(hosted.uuid, online, self._now()))

    async def _do(self, uuid: Uuid, job: Job) -> None:
        """One job, tried a few times: a battery device may be asleep, a mains one behind a bad route."""
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._slots:
                    await job()
            except RadioUnavailableError:
                return  # everything is looked at again when the radio is back
            except GatewayError as error:
                log.info("device_job_failed", uuid=uuid, job=job.__name__, attempt=attempt, reason=str(error))
                await asyncio.sleep(_BETWEEN_TRIES_S)
            except Exception:  # zigpy on a device that nobody has seen before: its fault is not the daemon's end
                log.exception("device_job_broke", uuid=uuid, job=job.__name__)
                return
            else:
                return

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            for hosted in self.all():
                verdict = judge(clock() - hosted.last_heard, sleeps=hosted.sleeps)
                if verdict is Verdict.GONE:
                    self._is_available(hosted, online=False)
                elif verdict is Verdict.PING:
                    await self._ping(hosted)

    async def _ping(self, hosted: Hosted) -> None:
        try:
            await hosted.ping()
        except DeviceUnreachableError:
            self._is_available(hosted, online=False)
        except RadioUnavailableError:
            return


class _LastSeen:
    """zigpy's word for "this device has sent a packet"."""

    def __init__(self, devices: Devices, hosted: Hosted) -> None:
        self._devices = devices
        self._hosted = hosted

    def device_last_seen_updated(self, _moment: Any) -> None:
        self._devices.heard(self._hosted)


def _describe(uuid: Uuid, device: Any) -> UnknownDevice:
    endpoints = tuple(
        (endpoint.endpoint_id, tuple(endpoint.in_clusters), tuple(endpoint.out_clusters))
        for endpoint in device.non_zdo_endpoints
    )
    return UnknownDevice(uuid, device.manufacturer, device.model, endpoints)
