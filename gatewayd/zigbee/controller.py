"""The Zigbee package as the rest of the daemon uses it: handlers of actions, joining, removal, backup, lock functions.

`radio` keeps the coordinator running, `device_registry` its devices; both are started here.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from gatewayd.config import RadioSettings
from gatewayd.model.change import Change
from gatewayd.model.errors import (
    DeviceOfflineError,
    DeviceUnreachableError,
    RadioUnavailableError,
    RefusedError,
    UnknownDeviceError,
)
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
from gatewayd.zigbee.addresses import ieee_of, uuid_of
from gatewayd.zigbee.backup import create_backup, parse_backup, restore_backup
from gatewayd.zigbee.catalogue import Catalogue
from gatewayd.zigbee.command_time import (
    ANSWER_RESERVE_S,
    MIN_LOCK_TIME_S,
    DiscardedCommand,
    command_time,
    default_deadline,
    time_needed_s,
)
from gatewayd.zigbee.device import ZigbeeDevice
from gatewayd.zigbee.device_registry import DeviceRegistry
from gatewayd.zigbee.door_lock import DoorLock
from gatewayd.zigbee.drivers.base import DeviceState, ZclCommand
from gatewayd.zigbee.radio import RadioSupervisor
from gatewayd.zigbee.radios.base import RadioApplication
from gatewayd.zigbee.radios.errors import translate_errors

log = structlog.get_logger()

T = TypeVar("T")

_SLEEPY_READ_TIMEOUT_S: Final = 5.0
"""For a query: the requester is answered within 10 s."""


class ZigbeeController:
    """Runs the radio and its devices. `emit` is called with every event; it must not block."""

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
        self._discarded: dict[Uuid, DiscardedCommand] = {}
        self.devices = DeviceRegistry(catalogue, emit, mirror, facts, now=now, zone=zone)
        self.radio = RadioSupervisor(
            settings, database, on_up=self._on_radio_up, on_down=self._on_radio_down, now=now, chance=chance
        )

    @property
    def network(self) -> NetworkInfo | None:
        """The network at the last start of the coordinator; None before the first."""
        return self.radio.network

    async def run(self) -> None:
        """Keep the radio running, set devices up and check their availability, until cancelled."""
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
        device = self._reachable_device(request.uuid)
        record = self._record(request.uuid)
        by = default_deadline() if request.answer_by is None else request.answer_by
        if _must_read_first(action, record):
            await self._use_radio(device.read())
            record = self._record(request.uuid)
        state = DeviceState(record.param, device.match.channels)
        for command in device.match.driver.build_commands(action, state):
            await self._use_radio(self._send(device, command, by))
            self._emit(AttributeReported(request.uuid, command.effect, self._now()))
        return Answer(OperationStatus.CONTROLLED, self._mirror.get(request.uuid))

    async def _send(self, device: ZigbeeDevice, command: ZclCommand, answer_by: float) -> None:
        """Send a command where the time left covers it.

        What is answered as failed must not move a bolt afterwards: before each command to a lock the line to the
        coordinator is measured, and a command that the coordinator may still have when time is up is discarded with it.
        """
        clock, app = asyncio.get_running_loop().time, self.radio.app
        is_lock = device.match.driver.has_lock_events
        discarded = self._discarded.get(device.uuid)
        if discarded is not None and discarded.is_recent(clock(), device.heard_at):
            raise DeviceUnreachableError(f"{device.uuid} has said nothing since its last command was discarded")
        round_trip_s = await self._measure_line(app, answer_by) if is_lock else 0.0
        left_s = answer_by - clock()
        if left_s < time_needed_s(round_trip_s, is_lock=is_lock):
            raise DeviceUnreachableError(f"{left_s:.1f} s are left, and the line takes {round_trip_s:.2f} s: not sent")
        app.forget_unsettled(device.nwk)
        try:
            await device.send_command(command, command_time(answer_by, round_trip_s, is_lock=is_lock))
        except DeviceUnreachableError as error:
            if is_lock and app.is_unsettled(device.nwk):
                self._discarded[device.uuid] = DiscardedCommand(clock(), device.heard_at)
                await self._discard(app, answer_by, f"a command to {device.uuid} must not be carried out late: {error}")
            raise _as_offline(device, error) from error

    async def _measure_line(self, app: RadioApplication, answer_by: float) -> float:
        """Seconds that the coordinator takes to answer now. Raises RadioUnavailableError."""
        clock = asyncio.get_running_loop().time
        began = clock()
        with translate_errors("measuring the line to the coordinator"):
            try:
                async with asyncio.timeout_at(answer_by - MIN_LOCK_TIME_S):
                    await app.check_network()
            except TimeoutError as error:
                raise DeviceUnreachableError("the coordinator answers too late for a lock's command") from error
        return clock() - began

    async def _discard(self, app: RadioApplication, answer_by: float, reason: str) -> None:
        """Make the coordinator forget what it has not sent, and restart it."""
        log.warning("radio_reset_to_discard_command", reason=reason)
        try:
            async with asyncio.timeout_at(answer_by - ANSWER_RESERVE_S):
                await app.discard_unsent()
        except Exception as error:  # noqa: BLE001  (a line that is dead; the application is not used again)
            log.warning("radio_not_reset_in_time", reason=repr(error))
            await app.close_line()
        self.radio.restart(reason)

    async def query(self, request: Request, _action: Query) -> Answer:
        """Answer with the record, read anew; with the last known values where a sleeping device does not wake in time.

        Raises UnknownDeviceError, DeviceUnreachableError, RadioUnavailableError.
        """
        network = self.network
        if network is None or request.uuid != network.coordinator:
            device = self._reachable_device(request.uuid)
            try:
                async with asyncio.timeout(_SLEEPY_READ_TIMEOUT_S if device.sleeps and device.online else None):
                    await self._use_radio(device.read())
            except DeviceUnreachableError as error:
                raise _as_offline(device, error) from error
            except TimeoutError:
                log.debug("query_answered_from_record", uuid=request.uuid)
        return Answer(OperationStatus.DEVICE_NORMAL, self._mirror.get(request.uuid))

    async def delete(self, request: Request, _action: RemoveDevice) -> Answer:
        """Remove the device from the network, even where it does not answer. Raises what `remove` raises."""
        record = self._record(request.uuid)
        await self.remove(request.uuid)
        return Answer(OperationStatus.DELETED, record)

    # Functions for the console, `locks/` and the wiring.

    async def permit_join(self, seconds: int) -> None:
        """Let devices join for `seconds`, 0 to 254. Raises RadioUnavailableError."""
        app = self.radio.app
        with translate_errors("opening the network"):
            await app.permit(seconds)

    async def remove(self, uuid: Uuid) -> None:
        """Remove a device from the network, known to the catalogue or not. Of one that is no longer on the network
        the record is removed.

        Raises UnknownDeviceError, RadioUnavailableError, RefusedError.
        """
        if self.network is not None and uuid == self.network.coordinator:
            raise RefusedError("the gateway cannot be removed from its own network", OperationStatus.BAD_PARAMETERS)
        app = self.radio.app
        if uuid in self.devices.unknown or uuid in self.devices:
            with translate_errors(f"removing {uuid}"):
                await app.remove(ieee_of(uuid))
        else:
            self._emit(DeviceLeft(self._record(uuid).uuid, self._now()))

    async def backup(self) -> dict[str, Any]:
        """Back up the network, with its keys, in the open coordinator backup format. Raises RadioUnavailableError."""
        return await create_backup(self.radio.app)

    async def restore(self, content: dict[str, Any]) -> Uuid:
        """Restore a backed-up network onto the coordinator, and restart that. Returns the coordinator's uuid in it.

        Raises MalformedError, RadioUnavailableError.
        """
        backup = parse_backup(content)
        await restore_backup(self.radio.app, backup)
        self.radio.restart("another network was restored onto it")
        return uuid_of(backup.node_info.ieee)

    def refresh(self, uuids: Iterable[Uuid]) -> None:
        """Read the attributes of these devices soon."""
        for uuid in uuids:
            self.devices.refresh(uuid)

    def is_lock(self, uuid: Uuid) -> bool:
        """True for a lock that is on the network."""
        return self.devices.is_lock(uuid)

    async def read_lock_log(self, uuid: Uuid, since: int | None) -> tuple[LockEvent, ...]:
        """Read a lock's log of operations from the stamp `since` on, oldest first (`DoorLock.read_log`)."""
        return await self._use_radio(self._reachable_lock(uuid).read_log(since))

    async def pin_slots(self, uuid: Uuid) -> PinSlots:
        """How many PIN codes a lock holds, and how long they may be."""
        return await self._use_radio(self._reachable_lock(uuid).pin_slots())

    async def set_pin(self, uuid: Uuid, slot: int, pin: str) -> None:
        """Program a PIN code into a lock's slot."""
        await self._use_radio(self._reachable_lock(uuid).set_pin(slot, pin))

    async def clear_pin(self, uuid: Uuid, slot: int) -> None:
        """Clear the PIN code in a lock's slot."""
        await self._use_radio(self._reachable_lock(uuid).clear_pin(slot))

    async def _use_radio(self, operation: Coroutine[Any, Any, T]) -> T:
        """Await an operation that needs the radio; where it finds the radio away, restart that at once.

        Raises RadioUnavailableError without beginning while the radio is known to be away.
        """
        try:
            self.radio.app  # noqa: B018  (raises while the radio is away)
        except RadioUnavailableError:
            operation.close()
            raise
        try:
            return await operation
        except RadioUnavailableError as error:
            self.radio.restart(str(error))
            raise

    def _reachable_device(self, uuid: Uuid) -> ZigbeeDevice:
        self.radio.app  # noqa: B018  (raises while the radio is away)
        try:
            return self.devices.get(uuid)
        except UnknownDeviceError as error:
            if self._mirror.get(uuid) is None:
                raise
            raise DeviceOfflineError(f"{uuid} has sent nothing since it was last on the network") from error

    def _reachable_lock(self, uuid: Uuid) -> DoorLock:
        if not isinstance(device := self._reachable_device(uuid), DoorLock):
            raise UnknownDeviceError(f"{uuid} is no lock")
        return device

    def _record(self, uuid: Uuid) -> Record:
        if (record := self._mirror.get(uuid)) is None:
            raise UnknownDeviceError(f"no device {uuid} here")
        return record

    def _on_radio_up(self, app: RadioApplication, network: NetworkInfo) -> None:
        self.devices.attach(app)
        self._emit(RadioUp(network))

    def _on_radio_down(self, reason: str) -> None:
        self.devices.detach()
        self._emit(RadioDown(reason))
        if self.network is not None:
            self._emit(AttributeReported(self.network.coordinator, (Change("zgb_status", "0"),), self._now()))


def _as_offline(device: ZigbeeDevice, error: DeviceUnreachableError) -> DeviceUnreachableError:
    """What to answer where a device cannot be reached: that it is away, where that was known before."""
    return error if device.online else DeviceOfflineError(str(error))


def _must_read_first(action: Operate, record: Record) -> bool:
    """Whether `action` toggles a channel whose value is not known."""
    if not isinstance(action, OperateSwitch) or action.operation is not SwitchOperation.TOGGLE:
        return False
    channels = getattr(record.param, "channel", ())
    return any(one.value is None for one in channels if action.channel in (0, one.id))
