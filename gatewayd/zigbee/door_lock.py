"""What a lock has beyond other devices (ZCL Door Lock 0x0101): events, a log of them, PIN codes.

`drivers/lock` defines how it is operated, `locks/` what its events mean.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Final

from zigpy.zcl import foundation
from zigpy.zcl.clusters.closures import DoorLock as DoorLockCluster
from zigpy.zcl.clusters.general import Alarms

from gatewayd.model.change import Change
from gatewayd.model.errors import DeviceUnreachableError
from gatewayd.model.event import ZCL_EPOCH, LockAlarm, LockEvent, LockProgrammed, LockSource
from gatewayd.model.lock import PinSlots
from gatewayd.model.request import LockOperation
from gatewayd.zigbee.device import ZigbeeDevice
from gatewayd.zigbee.radios.errors import translate_errors

_Attributes: Final = DoorLockCluster.AttributeDefs
_Commands: Final = DoorLockCluster.ServerCommandDefs
_Notifications: Final = DoorLockCluster.ClientCommandDefs

_NEWEST_RECORD: Final = 0
_LAST_RECORD: Final = 0xFFFF
_MAX_RECORDS: Final = 200  # read from one log
_NO_TIME: Final = 0xFFFFFFFF


_STATE_AFTER: Final[Mapping[int, LockOperation]] = MappingProxyType(
    {
        DoorLockCluster.OperationEvent.Lock: LockOperation.LOCK,
        DoorLockCluster.OperationEvent.Unlock: LockOperation.UNLOCK,
    }
)
"""Where the bolt is after an operation that a command asked for."""


class DoorLock(ZigbeeDevice):
    """A lock. Its events are emitted in the order in which they are received."""

    def __init__(self, *arguments: Any, zone: tzinfo) -> None:
        super().__init__(*arguments)
        self._zone = zone
        cluster_id = DoorLockCluster.cluster_id
        self.on_command(cluster_id, _Notifications.operation_event_notification.id, self._on_operation)
        self.on_command(cluster_id, _Notifications.programming_event_notification.id, self._on_programming)
        self.on_command(Alarms.cluster_id, Alarms.ClientCommandDefs.alarm.id, self._on_alarm)

    async def read_log(self, since: int | None) -> tuple[LockEvent, ...]:
        """Read the operations in the lock's log, oldest first, from the stamp `since` on (seconds since 2000-01-01,
        local); all where that is None.

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        found: list[LockEvent] = []
        index = _NEWEST_RECORD
        read, limit, previous = 0, _MAX_RECORDS, _NO_TIME
        while read < limit:
            with translate_errors(f"reading the log of {self.uuid}"):
                record = await self._door_lock.command(_Commands.get_log_record.id, index)
            stamp = _stamp(getattr(record, "timestamp", None))
            if stamp is None or stamp > previous or (since is not None and stamp < since):
                break  # no such record, a lock without a clock, once around the ring, or older than asked for
            read, previous = read + 1, stamp
            if record.event_type == DoorLockCluster.EventType.Operation:
                found.append(
                    LockEvent(
                        self.uuid,
                        _source(record.source),
                        int(record.event_id_or_alarm_code),
                        int(record.user_id),
                        self._local_time(stamp),
                        stamp,
                    )
                )
            index = int(record.log_entry_id) - 1
            if index <= _NEWEST_RECORD:
                index = await self._read_log_size()
                limit = min(limit, index)
        return tuple(reversed(found))

    async def _read_log_size(self) -> int:
        """How many records the log holds: in a log that has gone around, that record is the one before record 1."""
        size = _Attributes.num_of_lock_records_supported.id
        return int((await self._read_constants(size)).get(size) or _LAST_RECORD)

    async def pin_slots(self) -> PinSlots:
        """How many PIN codes the lock holds, and how long they may be.

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        count, shortest, longest = (
            _Attributes.num_of_pin_users_supported.id,
            _Attributes.min_pin_len.id,
            _Attributes.max_pin_len.id,
        )
        values = await self._read_constants(count, shortest, longest)
        try:
            return PinSlots(int(values[count]), int(values[shortest]), int(values[longest]))
        except KeyError as error:
            raise DeviceUnreachableError(f"{self.uuid} does not report how many PIN codes it holds") from error

    async def set_pin(self, slot: int, pin: str) -> None:
        """Program a PIN code. Raises DeviceUnreachableError, also where the lock refuses it, RadioUnavailableError."""
        status, kind = DoorLockCluster.UserStatus.Enabled, DoorLockCluster.UserType.Unrestricted
        await self._program(_Commands.set_pin_code.id, slot, status, kind, pin)

    async def clear_pin(self, slot: int) -> None:
        """Clear a PIN code; a slot may be empty already. Raises as `set_pin`."""
        await self._program(_Commands.clear_pin_code.id, slot)

    @property
    def _door_lock(self) -> Any:
        return self._find_cluster(DoorLockCluster.cluster_id)

    async def _read_constants(self, *attributes: int) -> dict[int, Any]:
        """Attributes that never change: from zigpy's cache where they were read before."""
        with translate_errors(f"reading {self.uuid}"):
            values, _failures = await self._door_lock.read_attributes(list(attributes), allow_cache=True)
        return dict(values)

    async def _program(self, command: int, slot: int, *arguments: Any) -> None:
        with translate_errors(f"programming {self.uuid}"):
            answer = await self._door_lock.command(command, slot, *arguments)
        status = getattr(answer, "status", foundation.Status.SUCCESS)
        if status != foundation.Status.SUCCESS:
            raise DeviceUnreachableError(f"{self.uuid} refused to program slot {slot}: {status!r}")

    def _on_operation(self, _endpoint: int, args: Any) -> None:
        source, code = _source(args.operation_event_source), int(args.operation_event_code)
        if source is LockSource.RF and (state := _STATE_AFTER.get(code)) is not None:
            self._confirm((Change("operate", state.value),))
        self._emit(LockEvent(self.uuid, source, code, int(args.user_id), self._now(), _stamp(args.local_time)))

    def _on_programming(self, _endpoint: int, args: Any) -> None:
        source, code = _source(args.program_event_source), int(args.program_event_code)
        self._emit(LockProgrammed(self.uuid, source, code, int(args.user_id), self._now(), _stamp(args.local_time)))

    def _on_alarm(self, _endpoint: int, args: Any) -> None:
        if int(args.cluster_id) == DoorLockCluster.cluster_id:
            self._emit(LockAlarm(self.uuid, int(args.alarm_code), self._now()))

    def _local_time(self, stamp: int) -> datetime:
        return (ZCL_EPOCH + timedelta(seconds=stamp)).replace(tzinfo=self._zone)


def _stamp(local_time: Any) -> int | None:
    """ZCL LocalTime as seconds since 2000-01-01, local; None where the lock has no clock."""
    return None if local_time is None or int(local_time) == _NO_TIME else int(local_time)


def _source(raw: Any) -> LockSource:
    try:
        return LockSource(int(raw))
    except ValueError:
        return LockSource.UNKNOWN
