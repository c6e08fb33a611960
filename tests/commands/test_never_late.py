"""Never late, as a property: what was executed was younger than the TTL when it reached the radio.

The clock may be known or not, the stamp may be there or not, the journal may take long, the device may be busy. The
handler stands for the radio: it looks at the true time.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.commands.executor import CommandExecutor
from gatewayd.commands.handlers import Handlers, handle
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.permission import Permission
from gatewayd.model.request import Action, Answer, OperateLock, OperateSwitch, Request
from gatewayd.model.request import LockOperation as Lock
from gatewayd.model.request import SwitchOperation as Switch
from gatewayd.model.status import OperationStatus
from gatewayd.store.store import Store
from tests.common.clock import EARLIEST, HandClock
from tests.common.store import KEY, LOCK, SENSOR, lock, sensor

TTL = timedelta(seconds=30)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One request: how old its stamp is when it comes (None: it has none), and what stands still before the radio."""

    is_lock: bool
    age_s: float | None
    is_clock_known: bool
    bound_age_s: float  # how long before the true time the last known lower bound lies
    queued_s: float
    journal_s: float
    way_s: float = 0.0
    """How long it was on its way."""
    slack_s: float = 0.0
    """How much longer it can have been by what the transport knows."""

    @property
    def is_stamp_ahead(self) -> bool:
        """Whether the requester's clock is ahead of the true time: the stamp is later than the sending."""
        return self.age_s is not None and self.age_s < self.way_s


@dataclass
class Outcome:
    """What became of a request; `age_s` is its true age when the handler was called."""

    answers: asyncio.Queue[Answer] = field(default_factory=asyncio.Queue)
    uses_outbox: bool = False
    age_s: float | None = None
    is_submitted: bool = False

    def progress(self, status: OperationStatus) -> None:
        """Not looked at."""

    def final(self, answer: Answer) -> None:
        self.answers.put_nowait(answer)


class Owner:
    """The owner asks."""

    def level(self, user: str, uuid: Uuid) -> Permission:
        return Permission.DELETE

    def is_owner(self, user: str) -> bool:
        return True


async def run(case: Case, folder: Path) -> tuple[OperationStatus, float | None]:
    """The status that the request is answered with, and its true age at the radio; None where it did not get there."""
    clock = HandClock(NOON, known=case.is_clock_known, past=max(EARLIEST, NOON - timedelta(seconds=case.bound_age_s)))
    sent_at = None if case.age_s is None else NOON - timedelta(seconds=case.age_s)
    truly_sent_at = NOON - timedelta(seconds=case.way_s)
    if sent_at is not None and not case.is_stamp_ahead:
        truly_sent_at = sent_at
    outcome = Outcome()

    def boottime() -> float:
        return (clock.at - NOON).total_seconds()

    async def operate(request: Request, _action: Action) -> Answer:
        outcome.age_s = (clock.at - truly_sent_at).total_seconds()
        return Answer(OperationStatus.CONTROLLED)

    def board_now() -> datetime:
        """The store asks for the time when it writes the journal's row: that takes as long as the case says."""
        if outcome.is_submitted:
            clock.at, outcome.is_submitted = clock.at + timedelta(seconds=case.journal_s), False
        return NOON

    async with Store.open(folder / "gatewayd.db", now=board_now, zone=UTC, key=KEY) as store:
        await store.mirror.put(lock())
        await store.mirror.put(sensor())
        executor = CommandExecutor(
            records=store.mirror,
            journal=store.journal,
            outbox=store.outbox,
            permissions=Owner(),
            handlers=Handlers([handle(OperateLock, operate), handle(OperateSwitch, operate)]),
            clock=clock,
            ttl=TTL,
            boottime=boottime,
        )
        category, uuid, action = (
            (Category.LOCK, LOCK, OperateLock(Lock.UNLOCK))
            if case.is_lock
            else (Category.SENSOR, SENSOR, OperateSwitch(Switch.ON))
        )
        sent_after = -case.way_s - case.slack_s
        request = Request("owner", category, uuid, ExecType.CONTROL, "1", action, sent_at, sent_after, identity=b"1")
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(store.run()), tasks.create_task(executor.run())]
            await executor.submit(request, outcome)
            outcome.is_submitted = True
            clock.at += timedelta(seconds=case.queued_s)
            async with asyncio.timeout(10):
                answer = await outcome.answers.get()
            for task in running:
                task.cancel()
    return answer.status, outcome.age_s


seconds = st.one_of(st.just(0.0), st.floats(0, 100), st.sampled_from([29.0, 31.0, 1_814_400.0]))


@settings(max_examples=120, deadline=None)
@given(
    st.builds(
        Case,
        is_lock=st.booleans(),
        age_s=st.none() | seconds | st.floats(-600, 0),
        is_clock_known=st.booleans(),
        bound_age_s=seconds,
        queued_s=st.sampled_from([0.0, 0.0, 29.0, 31.0, 50.0]),
        journal_s=st.sampled_from([0.0, 0.0, 29.0, 31.0, 50.0]),
        way_s=st.sampled_from([0.0, 0.0, 5.0, 29.0, 31.0, 50.0]),
        slack_s=st.sampled_from([0.0, 15.0]),
    )
)
def test_executed_request_is_younger_than_the_ttl_and_a_refused_one_moved_nothing(case: Case) -> None:
    with TemporaryDirectory() as folder:
        status, age_s = asyncio.run(run(case, Path(folder)))
    if status is not OperationStatus.CONTROLLED:
        assert age_s is None, "answered as refused, and executed"
        return
    assert age_s is not None
    if case.is_lock:
        assert case.is_clock_known, "a lock was operated although no clock could be trusted"
    if case.age_s is None or case.is_stamp_ahead or case.is_clock_known:
        assert age_s <= TTL.total_seconds()
    else:  # by the bound alone, and by its way here
        assert age_s - case.bound_age_s <= TTL.total_seconds() + case.queued_s + case.journal_s
