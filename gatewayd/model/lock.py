"""What rooms say to one another of locks, besides their events: slots, keys."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from gatewayd.model.ids import Uuid


@dataclass(frozen=True, slots=True)
class PinSlots:
    """A lock's places for PIN codes (ZCL 0x0101 attributes 0x0012, 0x0017, 0x0018); slots count from 1."""

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
    """How far a key has come: it stands here before the lock has it, and until the lock no longer has it."""

    PENDING = "pending"
    SET = "set"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class LockKey:
    """A key of a lock (§2.8) in its slot. Its secret is in the lock alone."""

    uuid: Uuid
    slot: int
    key_type: int  # 0 password, 1 fingerprint, 2 card, 3 mechanical
    name: str
    state: KeyState
    member_id: int | None = None
