"""How many events of one device are recorded: each costs a durable write, and a device may send hundreds a second.

Pure: the time is a parameter, in monotonic seconds. Recording is left to `event_recorder`.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

from gatewayd.model.event import (
    DeviceJoined,
    LockAlarm,
    LockEvent,
    LockProgrammed,
    RadioDown,
    RadioEvent,
    RadioUp,
)
from gatewayd.model.ids import Uuid
from gatewayd.token_bucket import Rate, TokenBucket

_MAX_KINDS: Final = 64
"""Kinds of events that may be held of one device; a defect of its radio makes up any number of them."""

EVENT_RATE: Final = Rate(per_s=1 / 30, burst=1_000)
"""A door that opens and locks ten times a minute for three quarters of an hour stays within it; a defect costs 3,880
writes a day, of some 19 KB each.
"""


@dataclass(slots=True)
class _Bucket:
    tokens: TokenBucket
    held: dict[Hashable, RadioEvent] = field(default_factory=dict)
    coalesced: int = 0
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A device began to be limited, or no longer is: then `coalesced` of its events were not recorded."""

    uuid: Uuid
    is_limited: bool
    coalesced: int = 0


class EventLimit:
    """Admits the events of each device up to `rate`; of the others it holds the newest of each kind, until they may be
    recorded. A lock's alarms are counted by themselves, so that a flood of operations delays none.
    """

    def __init__(self, rate: Rate = EVENT_RATE) -> None:
        self._rate = rate
        self._buckets: dict[tuple[Uuid, bool], _Bucket] = {}
        self._changes: list[LimitChange] = []

    def admit(self, event: RadioEvent, now: float) -> bool:
        """True: record `event` now. False: it is held, in place of an older one of its kind."""
        if (uuid := _uuid_of(event)) is None:
            return True
        key = (uuid, isinstance(event, LockAlarm))
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(TokenBucket(self._rate, now))
        if not bucket.held and bucket.tokens.take(now):
            return True
        if not bucket.is_limited:
            bucket.is_limited = True
            self._changes.append(LimitChange(uuid, is_limited=True))
        kind = _kind_of(event)
        if bucket.held.pop(kind, None) is not None:
            bucket.coalesced += 1
        if len(bucket.held) < _MAX_KINDS:
            bucket.held[kind] = event
        else:
            bucket.coalesced += 1
        return False

    def due(self, now: float) -> tuple[RadioEvent, ...]:
        """The held events that may be recorded now; the oldest of a device first. They are held no longer."""
        found: list[RadioEvent] = []
        for (uuid, _), bucket in self._buckets.items():
            while bucket.held and bucket.tokens.take(now):
                found.append(bucket.held.pop(next(iter(bucket.held))))
            if bucket.is_limited and not bucket.held:
                self._changes.append(LimitChange(uuid, is_limited=False, coalesced=bucket.coalesced))
                bucket.is_limited, bucket.coalesced = False, 0
        return tuple(found)

    def next_due(self, now: float) -> float | None:
        """When the next held event may be recorded; None while none is held."""
        waits = [(1 - one.tokens.level(now)) / self._rate.per_s for one in self._buckets.values() if one.held]
        return now + max(0.0, min(waits)) if waits else None

    def release(self) -> tuple[RadioEvent, ...]:
        """All held events, which are held no longer: the daemon stops."""
        found = tuple(event for bucket in self._buckets.values() for event in bucket.held.values())
        for bucket in self._buckets.values():
            bucket.held.clear()
        return found

    def drop_logged(self, uuid: Uuid, logged: Iterable[LockEvent]) -> None:
        """Drop the held operations of a lock that its log has too: they are recorded from there."""
        if (bucket := self._buckets.get((uuid, False))) is not None:
            identities = {event.identity for event in logged}
            for kind, event in tuple(bucket.held.items()):
                if isinstance(event, LockEvent) and event.lock_time is not None and event.identity in identities:
                    del bucket.held[kind]
                    bucket.coalesced += 1

    def take_changes(self) -> tuple[LimitChange, ...]:
        """What began and ended since the last call."""
        changes, self._changes = tuple(self._changes), []
        return changes


def _uuid_of(event: RadioEvent) -> Uuid | None:
    match event:
        case RadioUp() | RadioDown():
            return None
        case DeviceJoined(record=record):
            return record.uuid
        case _:
            return event.uuid


def _kind_of(event: RadioEvent) -> Hashable:
    """Events of one kind say the same: the newest stands for all."""
    match event:
        case LockEvent(source=source, code=code, user=user) | LockProgrammed(source=source, code=code, user=user):
            return type(event).__name__, source, code, user
        case LockAlarm(code=code):
            return type(event).__name__, code
        case _:
            return type(event).__name__
