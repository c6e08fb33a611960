"""Records what locks report: each notification becomes a change of the record, an MQTT notice and a message (§2.9),
in one transaction, once.

Events that were missed are read from the lock's own log and recorded in the same way. What codes mean is in
`event_codes`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from gatewayd.locks.event_codes import EventMeaning, key_type_of, meaning_of
from gatewayd.model.api_time import UnsureDate, format_api_time
from gatewayd.model.change import Change, apply
from gatewayd.model.errors import GatewayError
from gatewayd.model.event import ZCL_EPOCH, LockEvent, LockNotification
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import MessageItem, NoticeItem, OutboxItem
from gatewayd.model.ports import FactStore, RecordReader
from gatewayd.model.record import LockParam

log = structlog.get_logger()

_NO_USER: Final = 0xFFFF  # ZCL 7.3.2.17.3
_MAX_ORDINALS: Final = 10_000
_SETUP_TIME: Final = timedelta(minutes=2)
"""The longest that joining and set-up take before the log is first read; the door may be opened meanwhile."""


class EventStore(Protocol):
    """Stores a lock's events; an event is on disk, with its outbox items, when `add_event` returns."""

    async def add_event(
        self, notification: LockNotification, changes: tuple[Change, ...], *items: OutboxItem
    ) -> None: ...

    async def stamped_events(self, uuid: Uuid) -> tuple[LockEvent, ...]: ...


class LockLogReader(Protocol):
    """Reads a lock's own log (ZCL Door Lock: Get Log Record)."""

    async def read_lock_log(self, uuid: Uuid, since: int | None) -> tuple[LockEvent, ...]: ...


class LockEvents:
    """Records the notifications of locks in the order in which the events happened.

    `flush_notifications` waits until every notification that was received so far has been passed to `record`, but for
    those that are held since the lock sends too many: of these it drops what is in the log that it is given. It raises
    StoreError while the store refuses them.

    `now` is the best clock that is known; `correction` returns what to add to what was dated by no right clock, once
    one is known.

    While a lock's log is read, its live operations are deferred, so that the older ones of the log are recorded first.
    A crash meanwhile loses none: the lock has them in its log.
    """

    def __init__(
        self,
        records: RecordReader,
        store: EventStore,
        facts: FactStore,
        log_reader: LockLogReader,
        *,
        flush_notifications: Callable[[Uuid, Sequence[LockEvent]], Awaitable[None]],
        now: Callable[[], datetime],
        correction: Callable[[UnsureDate], timedelta | None] = lambda _: None,
        zone: tzinfo,
        new_sn: Callable[[], str],
    ) -> None:
        self._records = records
        self._store = store
        self._facts = facts
        self._log_reader = log_reader
        self._flush_notifications = flush_notifications
        self._now = now
        self._correction = correction
        self._zone = zone
        self._new_sn = new_sn
        self._ordinals: Counter[tuple[Uuid, str, str]] = Counter()
        self._deferred: dict[Uuid, list[LockEvent]] = {}

    async def record(self, notification: LockNotification) -> None:
        """Record a live notification with all that follows from it: on disk when this returns, or deferred while the
        lock's log, which has it too, is read. Raises StoreError, and then nothing of it is recorded.
        """
        stamped = notification if isinstance(notification, LockEvent) and notification.lock_time is not None else None
        deferred = self._deferred.get(notification.uuid)
        if stamped is not None and deferred is not None:
            deferred.append(stamped)
            return
        if stamped is not None:  # first: where this fails the notification is passed again, and must not be there twice
            await self._lower_log_position(stamped.uuid, _stamp(stamped))
        await self._write(notification)

    async def load_known(self, uuids: Iterable[Uuid]) -> None:
        """Count the recorded events of each lock, before new ones are recorded: like messages are numbered."""
        for uuid in uuids:
            for event in await self._store.stamped_events(uuid):
                self._next_ordinal(uuid, meaning_of(event).flag, format_api_time(event.at, self._zone))

    async def recover_missed(self, uuid: Uuid) -> int:
        """Record the events that the lock's log has and the store has not. Returns how many those were.

        Events from before the lock joined are left out. Raises DeviceUnreachableError, RadioUnavailableError.
        """
        since = await self._log_position(uuid)
        async with self._defer_live_events(uuid) as deferred:
            logged = await self._log_reader.read_lock_log(uuid, since)
            missed = await self._write_missed(uuid, logged, deferred)
        # Written last: after a crash before this, the log is read from the former position again.
        position = max((_stamp(event) for event in logged), default=since)
        await self._facts.set(_log_position_fact(uuid), str(position).encode())
        if missed:
            log.info("lock_events_recovered", uuid=uuid, count=missed)
        return missed

    async def _write(self, notification: LockNotification) -> None:
        record = self._records.get(notification.uuid)
        if record is None or not isinstance(record.param, LockParam):
            log.warning("lock_event_without_record", uuid=notification.uuid, code=notification.code)
            return
        at, unsure = self._date(notification)
        occur_time = format_api_time(at, self._zone)
        meaning = meaning_of(notification)
        changes = changes_of(notification, meaning)
        notice = NoticeItem(
            category=record.category,
            uuid=notification.uuid,
            exectype=ExecType.UPDATE,
            sn=self._new_sn(),
            status=meaning.status.name,
            record=replace(apply(record, changes), update_time=occur_time),
            unsure=unsure,
        )
        message = MessageItem(
            uuid=notification.uuid,
            message_type=meaning.message_type,
            flag=meaning.flag,
            level=meaning.level,
            occur_time=occur_time,
            key_id=slot_of(notification),
            ordinal=self._next_ordinal(notification.uuid, meaning.flag, occur_time),
            unsure=unsure,
        )
        messages = (message,) if is_pushed(record.param, meaning) else ()
        try:
            await self._store.add_event(notification, changes, notice, *messages)
        except GatewayError:
            self._ordinals[notification.uuid, meaning.flag, occur_time] -= 1  # there is no such message
            raise
        log.info(
            "lock_event_kept",
            uuid=notification.uuid,
            flag=meaning.flag,
            status=meaning.status.name,
            at=at,
        )

    def _date(self, notification: LockNotification) -> tuple[datetime, UnsureDate | None]:
        """When it happened, by a right clock where one is known by now; else what goes with that date, too."""
        if notification.unsure is None or (offset := self._correction(notification.unsure)) is None:
            return notification.at, notification.unsure
        return notification.at + offset, None

    def _next_ordinal(self, uuid: Uuid, flag: str, occur_time: str) -> int:
        """Which of the messages with the same flag and second this one is: 1, 2 …"""
        if len(self._ordinals) > _MAX_ORDINALS:
            self._ordinals.clear()
        self._ordinals[uuid, flag, occur_time] += 1
        return self._ordinals[uuid, flag, occur_time]

    @asynccontextmanager
    async def _defer_live_events(self, uuid: Uuid) -> AsyncIterator[list[LockEvent]]:
        """Defer the lock's stamped operations; those left at the end are recorded then."""
        deferred = self._deferred[uuid] = []
        try:
            yield deferred
        finally:
            try:
                while deferred:
                    await self._write(deferred.pop(0))
            finally:
                del self._deferred[uuid]

    async def _write_missed(self, uuid: Uuid, logged: Sequence[LockEvent], deferred: list[LockEvent]) -> int:
        """Write the events of `logged` that are not known, and deferred ones between them, in order of time. Returns
        how many were not known.
        """
        # What the lock sent before its log was read has been received, and is not missing once it is recorded.
        await self._flush_notifications(uuid, logged)
        missed = missing_events((*await self._store.stamped_events(uuid), *deferred), logged)
        for event in missed:
            while deferred and _stamp(deferred[0]) < _stamp(event):
                await self._write(deferred.pop(0))
            await self._write(event)
        return len(missed)

    async def _log_position(self, uuid: Uuid) -> int:
        """The stamp up to which the log has been read; at first, a little before the lock joined."""
        if (stored := self._facts.get(_log_position_fact(uuid))) is not None:
            return int(stored)
        local = self._now().astimezone(self._zone).replace(tzinfo=None)
        position = int((local - ZCL_EPOCH - _SETUP_TIME).total_seconds())
        await self._facts.set(_log_position_fact(uuid), str(position).encode())
        return position

    async def _lower_log_position(self, uuid: Uuid, lock_time: int) -> None:
        """Follow a lock whose clock was set back (its batteries were changed): its log goes on from there."""
        position = self._facts.get(_log_position_fact(uuid))
        if position is not None and lock_time < int(position):
            await self._facts.set(_log_position_fact(uuid), str(lock_time).encode())


def _stamp(event: LockEvent) -> int:
    return event.lock_time or 0


def _log_position_fact(uuid: Uuid) -> str:
    return f"lock-log-settled/{uuid}"


def changes_of(notification: LockNotification, meaning: EventMeaning) -> tuple[Change, ...]:
    """What a notification changes in the record: the lock's state, and which key of which type was used."""
    if meaning.operate is None:
        return ()
    state = Change("operate", meaning.operate.value)
    if not isinstance(notification, LockEvent):
        return (state,)
    key_type = key_type_of(notification.source)
    return (state, Change("key_id", slot_of(notification)), Change("key_type", key_type))


def slot_of(notification: LockNotification) -> int | None:
    """The slot of the key that was used or programmed; None where the notification names none."""
    user = getattr(notification, "user", None)
    return None if user in (None, _NO_USER) else user


def is_pushed(param: LockParam, meaning: EventMeaning) -> bool:
    """Whether the record asks for messages of this kind (§12.2 `is_push_*`)."""
    return meaning.push is None or bool(getattr(param, meaning.push))


def missing_events(known: Iterable[LockEvent], logged: Iterable[LockEvent]) -> tuple[LockEvent, ...]:
    """The events of `logged` that are not in `known`, in the log's order.

    A notification and the log record of the same event have the same stamp; two like events in one second count twice.
    Logged events without a stamp are left out: they cannot be told apart from known ones.
    """
    unmatched = Counter(event.identity for event in known)
    missing = []
    for event in logged:
        if event.lock_time is None:
            continue
        if unmatched[event.identity] > 0:
            unmatched[event.identity] -= 1
        else:
            missing.append(event)
    return tuple(missing)
