"""Events that `zigbee/` emits to the rest of the daemon. `at` is always an aware UTC datetime.

Facts only: what they change in records and which messages follow is decided by `zigbee/event_recorder` and `locks/`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.change import Change
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record

ZCL_EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001  (a lock's clock is local: it has no zone)
"""ZCL LocalTime counts seconds from here."""


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """The Zigbee network as the coordinator runs it."""

    coordinator: Uuid
    channel: int  # 802.15.4 channel, 11 … 26
    pan_id: int
    version: str  # the coordinator's firmware


@dataclass(frozen=True, slots=True)
class RadioUp:
    """The coordinator was started, and its network is up."""

    network: NetworkInfo


@dataclass(frozen=True, slots=True)
class RadioDown:
    """The coordinator is away; it is being started anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeviceJoined:
    """A device was interviewed; `record` is its §12 record. Emitted again when it is interviewed again."""

    record: Record
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceReady:
    """A device was configured to report, and was read after that: from now on it reports by itself."""

    uuid: Uuid


@dataclass(frozen=True, slots=True)
class DeviceLeft:
    """A device left the network, or was removed from it."""

    uuid: Uuid
    at: datetime


@dataclass(frozen=True, slots=True)
class AttributeReported:
    """A device reported attributes, or they were read: `changes` are fields of its record's param."""

    uuid: Uuid
    changes: tuple[Change, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """A device can be reached again, or no longer."""

    uuid: Uuid
    online: bool
    at: datetime


class LockSource(IntEnum):
    """Where an operation came from (ZCL 7.3.2.17.3, Operation Event Source)."""

    KEYPAD = 0x00
    RF = 0x01
    MANUAL = 0x02
    RFID = 0x03
    FINGERPRINT = 0x04  # manufacturers' usual extension
    UNKNOWN = 0xFF


@dataclass(frozen=True, slots=True)
class LockEvent:
    """A lock operated, or refused to (ZCL Door Lock: Operation Event Notification, or a record of its log).

    `code` is ZCL's operation event code; `lock_time` the lock's own stamp (seconds since `ZCL_EPOCH`), None where the
    lock has no clock. The notification and the log record of one event have the same stamp.
    """

    uuid: Uuid
    source: LockSource
    code: int
    user: int | None  # slot
    at: datetime  # of a notification: when it was received; of a log record: by the lock's clock
    lock_time: int | None = None
    unsure: UnsureDate | None = None  # `at` is by no right clock

    @property
    def identity(self) -> tuple[int | None, int, int, int | None]:
        """What the notification and the log record of one event have in common."""
        return self.lock_time, self.source, self.code, self.user


@dataclass(frozen=True, slots=True)
class LockProgrammed:
    """A code was added, changed or removed at the lock (ZCL Door Lock: Programming Event Notification)."""

    uuid: Uuid
    source: LockSource
    code: int
    user: int | None
    at: datetime
    lock_time: int | None = None
    unsure: UnsureDate | None = None


@dataclass(frozen=True, slots=True)
class LockAlarm:
    """A lock raised an alarm (ZCL Alarms: Alarm, with cluster 0x0101; codes in ZCL 7.3.2.14, Alarm Mask)."""

    uuid: Uuid
    code: int
    at: datetime
    unsure: UnsureDate | None = None


LockNotification = LockEvent | LockProgrammed | LockAlarm
RadioEvent = (
    RadioUp
    | RadioDown
    | DeviceJoined
    | DeviceReady
    | DeviceLeft
    | AttributeReported
    | AvailabilityChanged
    | LockNotification
)


@dataclass(frozen=True, slots=True)
class UnknownDevice:
    """A device that no row of the catalogue fits, with what a row needs. An endpoint is its number, its server clusters
    and its client clusters.
    """

    uuid: Uuid
    manufacturer: str | None
    model: str | None
    endpoints: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = field(default=())
