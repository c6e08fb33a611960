"""What the radio says to the rest of the house: one small word an event. `at` is always an aware UTC datetime."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from gatewayd.model.change import Change
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """The Zigbee network as the coordinator runs it."""

    coordinator: Uuid
    channel: int  # 802.15.4 channel, 11 … 26
    pan_id: int
    version: str  # the coordinator's firmware


@dataclass(frozen=True, slots=True)
class RadioUp:
    """The coordinator answers and its network is up."""

    network: NetworkInfo


@dataclass(frozen=True, slots=True)
class RadioDown:
    """The coordinator is away; it is being brought back."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeviceJoined:
    """A device was interviewed; `record` is its §12 record as the radio knows it. Said again after a re-interview."""

    record: Record
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceReady:
    """A device has been told to report, and has been read: from now on it says by itself what happens."""

    uuid: Uuid


@dataclass(frozen=True, slots=True)
class DeviceLeft:
    """A device left the network, or was removed from it."""

    uuid: Uuid
    at: datetime


@dataclass(frozen=True, slots=True)
class AttributeReported:
    """A device said something about itself: fields of its record's param and their new values."""

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
    """A lock operated, or refused to (ZCL 0x0101 command 0x20, Operation Event Notification, or its event log).

    `code` is ZCL's operation event code; `lock_time` the lock's own stamp (seconds since 2000-01-01, local), None where
    the lock keeps no clock. The notification and the log record of one event carry the same stamp.
    """

    uuid: Uuid
    source: LockSource
    code: int
    user: int | None  # slot
    at: datetime  # when it happened: by the lock's clock where it has one, else when it was heard
    lock_time: int | None = None


@dataclass(frozen=True, slots=True)
class LockProgrammed:
    """A code was added, changed or removed at the lock itself (ZCL 0x0101 command 0x21)."""

    uuid: Uuid
    source: LockSource
    code: int
    user: int | None
    at: datetime
    lock_time: int | None = None


@dataclass(frozen=True, slots=True)
class LockAlarm:
    """A lock raises an alarm (ZCL 0x0009 command 0x00 with cluster 0x0101; codes in ZCL 7.3.2.14, Alarm Mask)."""

    uuid: Uuid
    code: int
    at: datetime


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
    """What an unknown device offers, so that a row can be added to the catalogue without code."""

    uuid: Uuid
    manufacturer: str | None
    model: str | None
    endpoints: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = field(default=())
