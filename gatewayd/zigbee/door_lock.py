"""What a lock can do beyond other devices (ZCL Door Lock 0x0101): tell events, keep a log of them, hold PIN codes."""

from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from zigpy.zcl import foundation

from gatewayd.model.errors import DeviceUnreachableError
from gatewayd.model.event import LockAlarm, LockEvent, LockProgrammed, LockSource
from gatewayd.model.lock import PinSlots
from gatewayd.zigbee.device import ZigbeeDevice
from gatewayd.zigbee.drivers.lock import ALARMS, DOOR_LOCK
from gatewayd.zigbee.radios.errors import translated

_OPERATION, _PROGRAMMING, _ALARM = 0x20, 0x21, 0x00
_GET_LOG_RECORD, _SET_PIN, _CLEAR_PIN = 0x04, 0x05, 0x07
_ENABLED, _UNRESTRICTED = 0x01, 0x00
_LOGGED_OPERATION: Final = 0x00  # the log record's event type
_LOG_SIZE, _LAST_RECORD = 0x0010, 0xFFFF
_LONGEST_LOG: Final = 200
_NO_TIME: Final = 0xFFFFFFFF
_ZCL_EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001  (a lock's clock is local: it has no zone)


class DoorLock(ZigbeeDevice):
    """A lock. Its events are emitted in the order in which they came."""

    def __init__(self, *arguments: Any, zone: tzinfo) -> None:
        super().__init__(*arguments)
        self._zone = zone
        self.hear(DOOR_LOCK, _OPERATION, self._operated)
        self.hear(DOOR_LOCK, _PROGRAMMING, self._programmed)
        self.hear(ALARMS, _ALARM, self._alarmed)

    async def read_log(self, since: int | None) -> tuple[LockEvent, ...]:
        """The operations in the lock's log, oldest first, from the stamp `since` on (seconds since 2000-01-01, local).

        Raises DeviceUnreachableError, RadioUnavailableError.
        """
        found: list[LockEvent] = []
        index = 0  # ZCL: 0 asks for the newest
        read, most, newer = 0, _LONGEST_LOG, _NO_TIME
        while read < most:
            with translated(self.uuid, "reading the log of"):
                record = await self._cluster(DOOR_LOCK).command(_GET_LOG_RECORD, index)
            stamp = self._stamp(getattr(record, "timestamp", None))
            if stamp is None or stamp > newer or (since is not None and stamp < since):
                break  # the end, a lock without a clock, once around the ring, or known already
            read, newer = read + 1, stamp
            if record.event_type == _LOGGED_OPERATION:
                found.append(
                    LockEvent(
                        self.uuid,
                        _source(record.source),
                        int(record.event_id_or_alarm_code),
                        int(record.user_id),
                        self._moment(stamp),
                        stamp,
                    )
                )
            index = int(record.log_entry_id) - 1
            if index < 1:
                index = await self._log_size()
                most = min(most, index)
        return tuple(reversed(found))

    async def _log_size(self) -> int:
        """How many records its log holds: before record 1 comes the last, in a log that has gone around."""
        with translated(self.uuid, "reading"):
            values, _ = await self._cluster(DOOR_LOCK).read_attributes([_LOG_SIZE], allow_cache=True)
        return int(values.get(_LOG_SIZE) or _LAST_RECORD)

    async def pin_slots(self) -> PinSlots:
        """How many PIN codes it holds, and how long they may be."""
        with translated(self.uuid, "reading"):
            values, _ = await self._cluster(DOOR_LOCK).read_attributes([0x0012, 0x0018, 0x0017], allow_cache=True)
        try:
            return PinSlots(int(values[0x0012]), int(values[0x0018]), int(values[0x0017]))
        except KeyError as error:
            raise DeviceUnreachableError(f"{self.uuid} does not say how many PIN codes it holds") from error

    async def set_pin(self, slot: int, pin: str) -> None:
        """Program a PIN code. Raises DeviceUnreachableError where the lock refuses it."""
        await self._program(_SET_PIN, slot, _ENABLED, _UNRESTRICTED, pin)

    async def clear_pin(self, slot: int) -> None:
        """Take a PIN code out; a slot that is empty already is no fault."""
        await self._program(_CLEAR_PIN, slot)

    async def _program(self, command: int, slot: int, *arguments: Any) -> None:
        with translated(self.uuid, "programming"):
            answer = await self._cluster(DOOR_LOCK).command(command, slot, *arguments)
        status = getattr(answer, "status", foundation.Status.SUCCESS)
        if status != foundation.Status.SUCCESS:
            raise DeviceUnreachableError(f"{self.uuid} refused to program slot {slot}: {status!r}")

    def _operated(self, _endpoint: int, args: Any) -> None:
        source, code = _source(args.operation_event_source), int(args.operation_event_code)
        stamp = self._stamp(args.local_time)
        self._emit(LockEvent(self.uuid, source, code, int(args.user_id), self._now(), stamp))

    def _programmed(self, _endpoint: int, args: Any) -> None:
        source, code = _source(args.program_event_source), int(args.program_event_code)
        stamp = self._stamp(args.local_time)
        self._emit(LockProgrammed(self.uuid, source, code, int(args.user_id), self._now(), stamp))

    def _alarmed(self, _endpoint: int, args: Any) -> None:
        if int(args.cluster_id) == DOOR_LOCK:
            self._emit(LockAlarm(self.uuid, int(args.alarm_code), self._now()))

    @staticmethod
    def _stamp(local_time: Any) -> int | None:
        return None if local_time is None or int(local_time) == _NO_TIME else int(local_time)

    def _moment(self, stamp: int) -> datetime:
        return (_ZCL_EPOCH + timedelta(seconds=stamp)).replace(tzinfo=self._zone)


def _source(raw: Any) -> LockSource:
    try:
        return LockSource(int(raw))
    except ValueError:
        return LockSource.UNKNOWN
