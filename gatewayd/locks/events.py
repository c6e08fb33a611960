"""A lock's events: each becomes a change of its record, a notice and a message, in one transaction, once.

What the lock said while nobody listened is read from its own log and told as if it had been heard then.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

import structlog

from gatewayd.locks.event_codes import EventMeaning, key_type_of, meaning_of
from gatewayd.model.api_time import write_time
from gatewayd.model.change import Change, apply
from gatewayd.model.event import LockEvent, LockNotification
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import MessageItem, NoticeItem, OutboxItem
from gatewayd.model.ports import FactStore, RecordReader
from gatewayd.model.record import LockParam

log = structlog.get_logger()

_ZCL_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  (a lock's clock is local: it has no zone)
_ALIKE_KEPT = 10_000
_BEFORE_MEETING = timedelta(minutes=2)
"""How long joining and setting up may take before the log is first read; a door may be opened meanwhile."""


class EventStore(Protocol):
    """Where a lock's events are kept; what is added is on disk with its outbox rows when `add_event` returns."""

    async def add_event(
        self, notification: LockNotification, changes: tuple[Change, ...], *due: OutboxItem
    ) -> None: ...

    async def stamped_events(self, uuid: Uuid) -> tuple[LockEvent, ...]: ...


class EventLog(Protocol):
    """The lock's own log (ZCL 0x0101 Get Log Record)."""

    async def read_lock_log(self, uuid: Uuid, since: int | None) -> tuple[LockEvent, ...]: ...


class LockEvents:
    """Takes a lock's words in the order they happened. `all_kept` waits until all that was heard so far is kept.

    While a lock's log is gone through, what it says of operations waits, since what it did before is told first. The
    lock has those in its log, so that a crash meanwhile loses none.
    """

    def __init__(
        self,
        records: RecordReader,
        book: EventStore,
        facts: FactStore,
        radio: EventLog,
        *,
        all_kept: Callable[[], Awaitable[None]],
        now: Callable[[], datetime],
        zone: tzinfo,
        new_sn: Callable[[], str],
    ) -> None:
        self._records = records
        self._book = book
        self._facts = facts
        self._radio = radio
        self._all_kept = all_kept
        self._now = now
        self._zone = zone
        self._new_sn = new_sn
        self._told: Counter[tuple[Uuid, str, str]] = Counter()
        self._held: dict[Uuid, list[LockEvent]] = {}

    async def heard(self, word: LockNotification) -> None:
        """Keep `word` and all that follows from it; on disk when this returns, unless the lock's log has it."""
        held = self._held.get(word.uuid)
        if held is not None and isinstance(word, LockEvent) and word.lock_time is not None:
            held.append(word)
            return
        await self._keep(word)
        if isinstance(word, LockEvent) and word.lock_time is not None:
            await self._heed_clock(word.uuid, word.lock_time)

    async def _keep(self, word: LockNotification) -> None:
        record = self._records.get(word.uuid)
        if record is None or not isinstance(record.param, LockParam):
            log.warning("lock_event_of_no_lock", uuid=word.uuid, code=word.code)
            return
        meaning = meaning_of(word)
        changes = changes_of(word, meaning)
        notice = NoticeItem(
            category=record.category,
            uuid=word.uuid,
            exectype=ExecType.UPDATE,
            sn=self._new_sn(),
            status=meaning.status.name,
            record=apply(record, changes),
        )
        occur_time = write_time(word.at, self._zone)
        message = MessageItem(
            uuid=word.uuid,
            message_type=meaning.message_type,
            flag=meaning.flag,
            level=meaning.level,
            occur_time=occur_time,
            key_id=user_of(word),
            ordinal=self._ordinal(word.uuid, meaning.flag, occur_time),
        )
        await self._book.add_event(word, changes, notice, *([message] if is_pushed(record.param, meaning) else []))
        log.info("lock_event_kept", uuid=word.uuid, flag=meaning.flag, status=meaning.status.name, at=word.at)

    async def _heed_clock(self, uuid: Uuid, lock_time: int) -> None:
        """A lock whose clock was set back (its batteries were changed) has a log that begins anew from there."""
        settled = self._facts.get(_settled(uuid))
        if settled is not None and lock_time < int(settled):
            await self._facts.set(_settled(uuid), str(lock_time).encode())

    async def remember(self, uuids: Iterable[Uuid]) -> None:
        """Note what is known of each lock's events, before new ones are heard."""
        for uuid in uuids:
            for event in await self._book.stamped_events(uuid):
                self._ordinal(uuid, meaning_of(event).flag, write_time(event.at, self._zone))

    def _ordinal(self, uuid: Uuid, flag: str, occur_time: str) -> int:
        """Which of the messages that look alike this one is."""
        if len(self._told) > _ALIKE_KEPT:
            self._told.clear()
        self._told[uuid, flag, occur_time] += 1
        return self._told[uuid, flag, occur_time]

    async def catch_up(self, uuid: Uuid) -> int:
        """Tell what the lock's log has and this gateway has not; returns how many events that were.

        What stood in its log long before the lock was first met is nobody's news. Raises DeviceUnreachableError,
        RadioUnavailableError.
        """
        since = await self._settled_until(uuid)
        async with self._holding(uuid) as held:
            logged = await self._radio.read_lock_log(uuid, since)
            missed = await self._keep_missed(uuid, logged, held)
        # Only now: what was heard live meanwhile is newer than what a crash would still have to be asked for.
        await self._facts.set(_settled(uuid), str(max((_stamp(event) for event in logged), default=since)).encode())
        if missed:
            log.info("lock_events_recovered", uuid=uuid, count=missed)
        return missed

    @asynccontextmanager
    async def _holding(self, uuid: Uuid) -> AsyncIterator[list[LockEvent]]:
        """What the lock says of operations waits here until this is left, and is kept then."""
        held = self._held[uuid] = []
        try:
            yield held
        finally:
            try:
                while held:
                    await self._keep(held.pop(0))
            finally:
                del self._held[uuid]

    async def _keep_missed(self, uuid: Uuid, logged: Sequence[LockEvent], held: list[LockEvent]) -> int:
        """Keep what the log has and nobody heard, and what waits in `held`, as they happened; how many nobody heard."""
        # What the lock said before its log answered is on its way here already: it is not missing.
        await self._all_kept()
        missed = missing_events((*await self._book.stamped_events(uuid), *held), logged)
        for event in missed:
            while held and _stamp(held[0]) < _stamp(event):
                await self._keep(held.pop(0))
            await self._keep(event)
        return len(missed)

    async def _settled_until(self, uuid: Uuid) -> int:
        """The stamp up to which the log has been gone through; at first, a little before the lock was met."""
        if (kept := self._facts.get(_settled(uuid))) is not None:
            return int(kept)
        local = self._now().astimezone(self._zone).replace(tzinfo=None)
        met = int((local - _ZCL_EPOCH - _BEFORE_MEETING).total_seconds())
        await self._facts.set(_settled(uuid), str(met).encode())
        return met


def _stamp(event: LockEvent) -> int:
    return event.lock_time or 0


def _settled(uuid: Uuid) -> str:
    return f"lock-log-settled/{uuid}"


def changes_of(word: LockNotification, meaning: EventMeaning) -> tuple[Change, ...]:
    """What the record shows after `word`: the lock's state, and who used which kind of key."""
    changes: list[Change] = []
    if meaning.operate is not None:
        changes.append(Change("operate", meaning.operate))
    if isinstance(word, LockEvent) and meaning.operate is not None:
        changes += [Change("key_id", user_of(word)), Change("key_type", key_type_of(word.source))]
    return tuple(changes)


def user_of(word: LockNotification) -> int | None:
    """The slot of the user who did it; None where no user is meant (0xFFFF, ZCL 7.3.2.17.3) or nobody is named."""
    user = getattr(word, "user", None)
    return None if user in (None, 0xFFFF) else user


def is_pushed(param: LockParam, meaning: EventMeaning) -> bool:
    """Whether the household wants a message of this (§12.2 `is_push_*`)."""
    return meaning.push is None or bool(getattr(param, meaning.push))


def missing_events(known: Iterable[LockEvent], logged: Iterable[LockEvent]) -> tuple[LockEvent, ...]:
    """The events of the lock's log that are not known, in the log's order.

    An event and its log record carry the lock's own stamp; two events that look alike in the same second count twice.
    Events without a stamp cannot be told apart from those already heard, and are left out.
    """
    seen = Counter(_identity(event) for event in known)
    missing = []
    for event in logged:
        if event.lock_time is None:
            continue
        if seen[_identity(event)] > 0:
            seen[_identity(event)] -= 1
        else:
            missing.append(event)
    return tuple(missing)


def _identity(event: LockEvent) -> tuple[int | None, int, int, int | None]:
    return event.lock_time, event.source, event.code, event.user
