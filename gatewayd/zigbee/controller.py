"""The face of this room: the radio with its devices, and the handlers of requests that need it."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from zigpy.types import EUI64

from gatewayd.config import RadioSettings
from gatewayd.model.change import Change
from gatewayd.model.errors import DeviceUnreachableError, GatewayError, RefusedError, UnknownDeviceError
from gatewayd.model.event import AttributeReported, DeviceLeft, LockEvent, NetworkInfo, RadioDown, RadioEvent, RadioUp
from gatewayd.model.ids import Uuid
from gatewayd.model.lock import PinSlots
from gatewayd.model.ports import FactStore
from gatewayd.model.record import Record
from gatewayd.model.request import (
    Answer,
    Operate,
    OperateSwitch,
    PermitJoin,
    Query,
    RemoveDevice,
    Request,
    SwitchOperation,
)
from gatewayd.model.status import OperationStatus
from gatewayd.store.mirror import Mirror
from gatewayd.zigbee import backup
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.device import ZigbeeDevice
from gatewayd.zigbee.device_registry import DeviceRegistry
from gatewayd.zigbee.drivers.base import DeviceState
from gatewayd.zigbee.radio import RadioSupervisor
from gatewayd.zigbee.radios.errors import translated

log = structlog.get_logger()

T = TypeVar("T")

_ASLEEP_S: Final = 5.0
"""What has not woken up by then is not waited for: a phone is answered within 10 s."""


class ZigbeeController:
    """Handlers and the few things that others ask of the radio. `emit` hears every event."""

    def __init__(
        self,
        settings: RadioSettings,
        database: Path,
        catalogue: Catalogue,
        mirror: Mirror,
        facts: FactStore,
        emit: Callable[[RadioEvent], None],
        *,
        now: Callable[[], datetime],
        zone: tzinfo,
        chance: random.Random,
    ) -> None:
        self._mirror = mirror
        self._emit = emit
        self._now = now
        self.devices = DeviceRegistry(catalogue, emit, mirror, facts, now=now, zone=zone)
        self.radio = RadioSupervisor(
            settings, database, on_up=self._came_up, on_down=self._went_down, now=now, chance=chance
        )

    @property
    def network(self) -> NetworkInfo | None:
        """The network as it was last seen; None before the first start."""
        return self.radio.network

    async def run(self) -> None:
        """Keep the radio running and its devices looked after, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.devices.run())
            tasks.create_task(self.radio.run())

    # Handlers of actions.

    async def permit(self, request: Request, action: PermitJoin) -> Answer:
        """Let devices join. Raises RadioUnavailableError."""
        await self.permit_join(action.duration_s)
        return Answer(OperationStatus.JOINABLE, self._mirror.get(request.uuid))

    async def operate(self, request: Request, action: Operate) -> Answer:
        """Send the commands that carry out `action`; the record shows what the device confirmed.

        Raises RefusedError, UnknownDeviceError, DeviceUnreachableError, RadioUnavailableError.
        """
        hosted = self._reachable(request.uuid)
        record = self._record(request.uuid)
        if _must_read_first(action, record):
            await self._asking(hosted.read())
            record = self._record(request.uuid)
        state = DeviceState(record.param, hosted.match.channels)
        for command in hosted.match.driver.build_commands(action, state):
            await self._asking(hosted.send_command(command))
            self._emit(AttributeReported(request.uuid, command.effect, self._now()))
        return Answer(OperationStatus.CONTROLLED, self._mirror.get(request.uuid))

    async def query(self, request: Request, _action: Query) -> Answer:
        """Answer with the record, read anew; with the last known values where a sleeping device does not wake in time.

        Raises UnknownDeviceError, DeviceUnreachableError, RadioUnavailableError.
        """
        network = self.network
        if network is None or request.uuid != network.coordinator:
            hosted = self._reachable(request.uuid)
            try:
                async with asyncio.timeout(_ASLEEP_S if hosted.sleeps and hosted.answers else None):
                    await self._asking(hosted.read())
            except TimeoutError:
                log.debug("query_answered_for_sleeper", uuid=request.uuid)
        return Answer(OperationStatus.DEVICE_NORMAL, self._mirror.get(request.uuid))

    async def delete(self, request: Request, _action: RemoveDevice) -> Answer:
        """Remove the device from the network, even where it does not answer. Raises what `remove` raises."""
        record = self._record(request.uuid)
        await self.remove(request.uuid)
        return Answer(OperationStatus.DELETED, record)

    # What other rooms and the console ask.

    async def permit_join(self, seconds: int) -> None:
        """Let devices join for `seconds`, 0 … 254. Raises RadioUnavailableError."""
        app = self.radio.app
        with translated(Uuid("network"), "opening the"):
            await app.permit(seconds)

    async def remove(self, uuid: Uuid) -> None:
        """Take a device off the network, whatever it is; one that is there no more is forgotten.

        Raises UnknownDeviceError, RadioUnavailableError, RefusedError.
        """
        if self.network is not None and uuid == self.network.coordinator:
            raise RefusedError("the gateway cannot be taken off its own network", OperationStatus.BAD_PARAMETERS)
        app = self.radio.app
        if uuid in self.devices.unknown or self.devices.is_hosted(uuid):
            with translated(uuid, "removing"):
                await app.remove(EUI64.convert(":".join(uuid[place : place + 2] for place in range(0, 16, 2))))
        else:
            self._emit(DeviceLeft(self._record(uuid).uuid, self._now()))

    async def backup(self) -> dict[str, Any]:
        """The network, with its keys, in the open coordinator backup format. Raises RadioUnavailableError."""
        return await backup.take(self.radio.app)

    async def restore(self, content: dict[str, Any]) -> Uuid:
        """Put a network onto the coordinator and start that anew; the coordinator's address in that network.

        Raises MalformedError, RadioUnavailableError.
        """
        found = backup.read(content)
        await backup.put(self.radio.app, found)
        self.radio.suspect("another network was restored onto it")
        return Uuid(str(found.node_info.ieee).replace(":", ""))

    def refresh(self, uuids: Iterable[Uuid]) -> None:
        """Read the true state of these devices, soon."""
        for uuid in uuids:
            self.devices.refresh(uuid)

    def is_lock(self, uuid: Uuid) -> bool:
        """True for a lock that is on the network."""
        return self.devices.is_lock(uuid)

    async def read_lock_log(self, uuid: Uuid, since: int | None) -> tuple[LockEvent, ...]:
        """A lock's log of operations from the stamp `since` on, oldest first."""
        return await self._asking(self.devices.lock(uuid).read_log(since))

    async def pin_slots(self, uuid: Uuid) -> PinSlots:
        """How many PIN codes a lock holds, and how long they may be."""
        return await self._asking(self.devices.lock(uuid).pin_slots())

    async def set_pin(self, uuid: Uuid, slot: int, pin: str) -> None:
        """Program a PIN code into a lock's slot."""
        await self._asking(self.devices.lock(uuid).set_pin(slot, pin))

    async def clear_pin(self, uuid: Uuid, slot: int) -> None:
        """Take a PIN code out of a lock's slot."""
        await self._asking(self.devices.lock(uuid).clear_pin(slot))

    async def _asking(self, asking: Coroutine[Any, Any, T]) -> T:
        """Await what needs the radio; where it finds the radio gone, the radio is looked after at once."""
        try:
            self.radio.app  # noqa: B018  (raises at once while the radio is away)
        except GatewayError:
            asking.close()
            raise
        try:
            return await asking
        except GatewayError as error:
            if error.status is OperationStatus.ZIGBEE_NETWORK_ERROR:
                self.radio.suspect(str(error))
            raise

    def _reachable(self, uuid: Uuid) -> ZigbeeDevice:
        self.radio.app  # noqa: B018  (raises at once while the radio is away)
        try:
            return self.devices.get(uuid)
        except UnknownDeviceError as error:
            if self._mirror.get(uuid) is None:
                raise
            raise DeviceUnreachableError(f"{uuid} has not been heard since it was last on the network") from error

    def _record(self, uuid: Uuid) -> Record:
        if (record := self._mirror.get(uuid)) is None:
            raise UnknownDeviceError(f"no device {uuid} here")
        return record

    async def _came_up(self, app: Any, network: NetworkInfo) -> None:
        self.devices.attach(app)
        self._emit(RadioUp(network))

    def _went_down(self, reason: str) -> None:
        self.devices.detach()
        self._emit(RadioDown(reason))
        if self.network is not None:
            self._emit(AttributeReported(self.network.coordinator, (Change("zgb_status", "0"),), self._now()))


def _must_read_first(action: Operate, record: Record) -> bool:
    """Whether `action` toggles a channel whose value is not known."""
    if not isinstance(action, OperateSwitch) or action.operation is not SwitchOperation.TOGGLE:
        return False
    channels = getattr(record.param, "channel", ())
    return any(one.value is None for one in channels if action.channel in (0, one.id))
