"""A store on a real file, a clock that is set by hand, and a few records and outbox items."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem, MessageItem, NoticeItem
from gatewayd.model.record import LockParam, Record, SensorParam
from gatewayd.model.request import LockOperation, OperateLock, Request
from gatewayd.store.store import Store

KEY = bytes(range(32))

LOCK = Uuid("00158d00000000a1")
SENSOR = Uuid("00158d00000000b2")

WRITTEN = "2026-05-01 12:00:00"  # T0 as the API has it
T0 = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> None:
        self.at += step


class Opener:
    """Opens the same database each time it is called, as after a restart."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock

    def __call__(self, *, key: bytes = KEY, flush_interval_s: float = 0.01) -> AbstractAsyncContextManager[Store]:
        return Store.open(self.path, now=self.clock, zone=UTC, key=key, flush_interval_s=flush_interval_s)


def sensor(uuid: Uuid = SENSOR, temperature: float | None = None) -> Record:
    return Record(
        update_time=WRITTEN,
        uuid=uuid,
        category=Category.SENSOR,
        title="客厅",
        param=SensorParam(temperature=temperature),
    )


def lock(uuid: Uuid = LOCK, pin: str | None = None) -> Record:
    return Record(
        update_time=WRITTEN, uuid=uuid, category=Category.LOCK, title="大门", param=LockParam(operate=0, temp_pass=pin)
    )


def request(sn: str, user: str = "13800000000") -> Request:
    return Request(user, Category.LOCK, LOCK, ExecType.CONTROL, sn, OperateLock(LockOperation.UNLOCK, pin="2468"))


def answer(sn: str, user: str = "13800000000", uuid: Uuid = LOCK) -> AnswerItem:
    return AnswerItem(
        user=user, category=Category.LOCK, uuid=uuid, exectype=ExecType.CONTROL, sn=sn, status="CONTROLLED"
    )


def notice(sn: str, uuid: Uuid = LOCK) -> NoticeItem:
    return NoticeItem(
        category=Category.LOCK, uuid=uuid, exectype=ExecType.UPDATE, sn=sn, status="UNLOCK_EVENT", record=lock(uuid)
    )


def message(text: str, uuid: Uuid = LOCK) -> MessageItem:
    return MessageItem(uuid=uuid, message_type="lock", flag=text, level=1, occur_time="2026-05-01 20:00:00")
