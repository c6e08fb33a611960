"""The executor with a transport that is not MQTT: the same checks, the same journal, answers straight to the reply."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.commands.device_queue import MAX_QUEUED
from gatewayd.commands.executor import DEADLINE_S, MIN_REMAINING_S, CommandExecutor
from gatewayd.commands.handlers import Handlers, handle
from gatewayd.model.errors import DeviceUnreachableError, StoreError
from gatewayd.model.ids import Category, ExecType, Sn, Uuid
from gatewayd.model.outbox_items import Route
from gatewayd.model.permission import Permission
from gatewayd.model.request import Answer, LockOperation, OperateLock, Query, Request
from gatewayd.model.status import OperationStatus
from gatewayd.store.store import Store
from tests.common.clock import HandClock
from tests.common.store import KEY, LOCK, lock

LOCAL = "local"


@dataclass
class CollectedReply:
    """A transport's reply that keeps what it is given."""

    uses_outbox: bool = False
    progressed: list[OperationStatus] = field(default_factory=list)
    answers: asyncio.Queue[Answer] = field(default_factory=asyncio.Queue)

    def progress(self, status: OperationStatus) -> None:
        self.progressed.append(status)

    def final(self, answer: Answer) -> None:
        self.answers.put_nowait(answer)


@dataclass
class Bench:
    """An executor on a real store; its one handler waits at `gate` and may fail."""

    store: Store
    executor: CommandExecutor
    executed: list[Sn] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    clock: HandClock = field(default_factory=HandClock)

    async def ask(self, request: Request) -> tuple[list[OperationStatus], OperationStatus]:
        """The progress and the final status of a request."""
        reply = CollectedReply()
        await self.executor.submit(request, reply)
        async with asyncio.timeout(10):
            answer = await reply.answers.get()
        return reply.progressed, answer.status

    async def operate(self, request: Request, _action: OperateLock) -> Answer:
        self.executed.append(request.sn)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return Answer(OperationStatus.CONTROLLED, self.store.mirror.get(request.uuid))


class Permissions:
    """The user `local` may control; others may nothing."""

    def level(self, user: str, uuid: Uuid) -> Permission:
        return Permission.CONTROL if user == LOCAL else Permission.NONE

    def is_owner(self, user: str) -> bool:
        return user == LOCAL


def unlock(sn: str, user: str = LOCAL) -> Request:
    action = OperateLock(LockOperation.UNLOCK, pin="2468")
    return Request(user, Category.LOCK, LOCK, ExecType.CONTROL, sn, action, identity=f"{user} {sn}".encode())


@asynccontextmanager
async def running(path: Path, deadline_s: float = DEADLINE_S) -> AsyncIterator[Bench]:
    async with Store.open(path, now=lambda: datetime.now(UTC), zone=UTC, key=KEY) as store:
        await store.mirror.put(lock())
        bench: Bench
        clock = HandClock()

        async def operate(request: Request, action: OperateLock) -> Answer:
            return await bench.operate(request, action)

        executor = CommandExecutor(
            records=store.mirror,
            journal=store.journal,
            outbox=store.outbox,
            permissions=Permissions(),
            handlers=Handlers([handle(OperateLock, operate)]),
            clock=clock,
            ttl=timedelta(seconds=30),
            deadline_s=deadline_s,
        )
        bench = Bench(store, executor, clock=clock)
        bench.gate.set()
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(part) for part in (store.run(), executor.run())]
            yield bench
            for part in reversed(parts):
                part.cancel()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "gatewayd.db") as bench:
        yield bench


async def test_request_of_another_transport_is_executed_and_answered_without_the_outbox(bench: Bench) -> None:
    assert await bench.ask(unlock("1")) == ([OperationStatus.CONTROLLING], OperationStatus.CONTROLLED)
    assert (await bench.store.outbox.depth())[Route.MQTT] == 0


async def test_reply_that_uses_the_outbox_gets_its_final_answer_there(bench: Bench) -> None:
    reply = CollectedReply(uses_outbox=True)
    await bench.executor.submit(unlock("1"), reply)
    async with asyncio.timeout(10):
        (row,) = await bench.store.outbox.take(Route.MQTT)
    assert row.item.uuid == LOCK
    assert reply.answers.empty()


async def test_user_without_permission_is_refused_and_nothing_is_executed(bench: Bench) -> None:
    assert await bench.ask(unlock("1", user="guest")) == ([], OperationStatus.PERMISSION_DENIED)
    assert bench.executed == []
    assert bench.executor.counters["refused"] == 1


async def test_request_whose_permission_ends_while_it_is_journalled_is_not_executed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = bench.store.journal.begin

    async def begin_during_a_revocation(request: Request) -> object:
        begun = await begin(request)
        monkeypatch.setattr(Permissions, "level", lambda *_: Permission.NONE)
        return begun

    monkeypatch.setattr(bench.store.journal, "begin", begin_during_a_revocation)
    assert await bench.ask(unlock("1")) == ([], OperationStatus.PERMISSION_DENIED)
    assert bench.executed == []
    assert bench.executor.counters == {"refused": 1}


async def test_request_whose_journalling_took_its_time_is_not_executed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = bench.store.journal.begin

    async def begin_slowly(request: Request) -> object:
        begun = await begin(request)
        await asyncio.sleep(DEADLINE_S - 0.5)
        return begun

    monkeypatch.setattr(bench.store.journal, "begin", begin_slowly)
    assert await bench.ask(unlock("1")) == ([], OperationStatus.NODE_NOT_RESPONDING)
    assert bench.executed == []


async def test_repeated_request_gets_the_stored_answer_after_a_restart_too(tmp_path: Path) -> None:
    async with running(tmp_path / "gatewayd.db") as bench:
        await bench.ask(unlock("same"))
        assert await bench.ask(unlock("same")) == ([], OperationStatus.CONTROLLED)
    async with running(tmp_path / "gatewayd.db") as bench:
        assert await bench.ask(unlock("same")) == ([], OperationStatus.CONTROLLED)
        assert bench.executed == []


async def test_answer_that_the_disk_does_not_take_is_repeated_and_stays_the_only_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store.journal, "finish", refuse)
        assert (await bench.ask(unlock("1")))[1] is OperationStatus.CONTROLLED
    assert await bench.ask(unlock("1")) == ([], OperationStatus.CONTROLLED)
    await bench.ask(unlock("2"))  # the disk takes it, and what waited
    assert bench.executed == ["1", "2"]
    assert await bench.store.journal.unfinished() == ()


async def test_action_without_a_handler_is_refused(bench: Bench) -> None:
    query = Request(LOCAL, Category.LOCK, LOCK, ExecType.QUERY, "1", Query(), identity=b"query")
    assert await bench.ask(query) == ([OperationStatus.UPDATING], OperationStatus.BAD_PARAMETERS)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (DeviceUnreachableError("no answer"), OperationStatus.NODE_NOT_RESPONDING),
        (ZeroDivisionError("a fault of ours"), OperationStatus.UNKNOWN_ERROR),
    ],
)
async def test_failure_of_a_handler_is_answered_and_the_next_request_executed(
    bench: Bench, failure: Exception, status: OperationStatus
) -> None:
    bench.failure = failure
    assert await bench.ask(unlock("1")) == ([OperationStatus.CONTROLLING], status)
    assert bench.executor.counters == Counter(executed=1, crashed=status is OperationStatus.UNKNOWN_ERROR)
    bench.failure = None
    assert (await bench.ask(unlock("2")))[1] is OperationStatus.CONTROLLED


async def test_requests_beyond_the_devices_queue_are_refused(bench: Bench) -> None:
    bench.gate.clear()
    replies = [CollectedReply() for _ in range(MAX_QUEUED + 2)]  # one is executed, the others wait
    for number, reply in enumerate(replies):
        await bench.executor.submit(unlock(str(number)), reply)
    async with asyncio.timeout(10):
        assert (await replies[-1].answers.get()).status is OperationStatus.LIMIT_EXCEEDED
    assert bench.executor.counters["refused"] == 1
    bench.gate.set()
    async with asyncio.timeout(10):
        statuses = [(await reply.answers.get()).status for reply in replies[:-1]]
    assert statuses == [OperationStatus.CONTROLLED] * (MAX_QUEUED + 1)
    assert bench.executed == [str(number) for number in range(MAX_QUEUED + 1)]


async def test_request_whose_turn_does_not_come_in_time_is_refused_and_counted(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "gatewayd.db", deadline_s=MIN_REMAINING_S + 1.0) as bench:
        bench.gate.clear()
        first = asyncio.create_task(bench.ask(unlock("1")))
        async with asyncio.timeout(10):
            while not bench.executed:
                await asyncio.sleep(0.001)
        assert await bench.ask(unlock("2")) == ([], OperationStatus.NODE_NOT_RESPONDING)
        assert bench.executor.counters == {"executed": 1, "refused": 1}
        assert bench.executed == ["1"]
        await first


async def test_fault_of_ours_is_answered_as_one_and_the_next_request_is_executed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> Permission:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Permissions, "level", fault)
        assert await bench.ask(unlock("1")) == ([], OperationStatus.UNKNOWN_ERROR)
    assert bench.executor.counters["crashed"] == 1
    _, status = await bench.ask(unlock("2"))
    assert status is OperationStatus.CONTROLLED
    assert bench.executed == ["2"]
