"""Types about locks that several packages use, besides their events: slots and keys."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from gatewayd.model.ids import Uuid


@dataclass(frozen=True, slots=True)
class PinSlots:
    """How many PIN codes a lock holds, in slots that count from 1, and how many digits one may have (ZCL Door Lock:
    Number of PIN Users Supported, Min and Max PIN Code Length).
    """

    count: int
    min_length: int
    max_length: int


class KeyType(IntEnum):
    """§2.8 `key_type`."""

    PASSWORD = 0
    FINGERPRINT = 1
    CARD = 2
    MECHANICAL = 3


class KeyState(StrEnum):
    """How far a key has come: it is stored before it is programmed into the lock, and until it is removed from it."""

    PENDING = "pending"
    SET = "set"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class LockKey:
    """A key of a lock (§2.8) in its slot. Its PIN is stored in the lock alone."""

    uuid: Uuid
    slot: int
    key_type: int  # KeyType
    name: str
    state: KeyState
    member_id: int | None = None
