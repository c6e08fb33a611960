"""Executes requests: each is checked, journalled, executed once and answered once, whatever transport it came by.

A request's way: the queue of its device → `admission` → the journal → progress → `handlers` → the final answer.
Decoding requests and sending answers is the transport's part: it hands over a `Request` and a `Reply`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from gatewayd.commands.admission import refusal
from gatewayd.commands.handlers import Handlers
from gatewayd.model.errors import GatewayError, StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import AnswerItem
from gatewayd.model.permission import Permission
from gatewayd.model.ports import RecordReader
from gatewayd.model.request import (
    Action,
    AddKey,
    Answer,
    OperateCurtain,
    OperateLock,
    OperateSwitch,
    PermitJoin,
    Query,
    RemoveDevice,
    RemoveKey,
    Request,
)
from gatewayd.model.status import OperationStatus
from gatewayd.store.command_journal import Begun, CommandJournal, Repeated
from gatewayd.store.outbox import Outbox

log = structlog.get_logger()

DEADLINE_S: Final = 9.5
"""Seconds from submission to the final answer: 10 s are promised to a requester, less the way there."""

MIN_REMAINING_S: Final = 2.0
"""A queued request is started only with this much of its deadline left, so that one that succeeds is never answered as
failed.
"""

MAX_QUEUED: Final = 16
"""Requests that may wait for one device."""

MAX_SUBMITTED: Final = 256
"""Requests that may wait to be taken up, over all devices; `submit` waits while there are more."""

_PROGRESS: Final[Mapping[type[Action], OperationStatus]] = MappingProxyType(
    {
        PermitJoin: OperationStatus.CREATING,
        AddKey: OperationStatus.CREATING,
        RemoveDevice: OperationStatus.DELETING,
        RemoveKey: OperationStatus.DELETING,
        Query: OperationStatus.UPDATING,  # the API has no 正在 for reading
        OperateSwitch: OperationStatus.CONTROLLING,
        OperateLock: OperationStatus.CONTROLLING,
        OperateCurtain: OperationStatus.CONTROLLING,
    }
)
"""What is answered at once where the radio is involved; UpdateRecord is answered with its final answer alone."""


class Reply(Protocol):
    """Where the answers to one request go. Neither method waits or raises: a disconnected requester gets none."""

    @property
    def uses_outbox(self) -> bool:
        """True: the final answer of an executed request goes through the outbox, so that it survives a restart, and
        `final` is called only where there is none to write. False: every final answer goes to `final`.
        """
        ...

    def progress(self, status: OperationStatus) -> None:
        """Send that the request is being executed."""
        ...

    def final(self, answer: Answer) -> None:
        """Send the final answer."""
        ...


class Permissions(Protocol):
    """Who may do what with a device."""

    def level(self, user: str, uuid: Uuid) -> Permission:
        """The permission of `user` on the device; NONE for an unknown user."""
        ...


@dataclass(frozen=True, slots=True)
class _Submission:
    """A request, where its answers go, and the loop time by which it must have its final answer."""

    request: Request
    reply: Reply
    deadline: float


@dataclass(slots=True)
class _DeviceQueue:
    """The requests of one device, executed one at a time, in order."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class CommandExecutor:
    """Executes submitted requests until `run` is cancelled. `cloud_now` is the cloud's time, None while unknown; a
    request older than `ttl` by it is not executed. `deadline_s` includes the time in the queue.
    """

    def __init__(
        self,
        *,
        records: RecordReader,
        journal: CommandJournal,
        outbox: Outbox,
        permissions: Permissions,
        handlers: Handlers,
        cloud_now: Callable[[], datetime | None],
        ttl: timedelta,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._records = records
        self._journal = journal
        self._outbox = outbox
        self._permissions = permissions
        self._handlers = handlers
        self._cloud_now = cloud_now
        self._ttl = ttl
        self._deadline_s = deadline_s
        self._queues: dict[Uuid, _DeviceQueue] = {}
        self._submitted: asyncio.Queue[tuple[Request, Reply]] = asyncio.Queue(MAX_SUBMITTED)
        self.counters: Counter[str] = Counter()
        """`executed`, `repeated`, `refused` and `crashed` requests; the last are faults of ours."""

    async def submit(self, request: Request, reply: Reply) -> None:
        """Hand over a request; returns once it is queued. It is executed even if the transport's connection ends."""
        await self._submitted.put((request, reply))

    async def run(self) -> None:
        """Execute what is submitted, until cancelled."""
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as tasks:
            while True:
                request, reply = await self._submitted.get()
                submission = _Submission(request, reply, clock() + self._deadline_s)
                tasks.create_task(self._answer(submission), name=f"request-{request.sn}")

    async def answer_unfinished(self) -> frozenset[Uuid]:
        """Answer 操作失败 to every request that a crash interrupted; returns the devices whose state must be read."""
        unfinished = await self._journal.unfinished()
        for one in unfinished:
            await self._journal.finish(
                AnswerItem(
                    user=one.user,
                    category=one.category,
                    uuid=one.uuid,
                    exectype=one.exectype,
                    sn=one.sn,
                    status=OperationStatus.FAILED.name,
                    record=self._records.get(one.uuid),
                )
            )
            log.warning("interrupted_request_answered", sn=one.sn, uuid=one.uuid, exectype=one.exectype)
        return frozenset(one.uuid for one in unfinished)

    async def _answer(self, submission: _Submission) -> None:
        """See one request to its end; a fault of ours is answered as one, and the others go on."""
        try:
            await self._queue(submission)
        except Exception:
            request = submission.request
            log.exception("request_crashed", uuid=request.uuid, exectype=request.exectype)
            self.counters["crashed"] += 1
            submission.reply.final(Answer(OperationStatus.UNKNOWN_ERROR))

    async def _queue(self, submission: _Submission) -> None:
        """Wait for the device's other requests, as long as the deadline allows."""
        request, reply = submission.request, submission.reply
        structlog.contextvars.bind_contextvars(sn=request.sn)
        queue = self._queues.setdefault(request.uuid, _DeviceQueue())
        queue.length += 1
        try:
            if queue.length > MAX_QUEUED:
                log.warning("request_refused", uuid=request.uuid, reason="the device's queue is full")
                reply.final(Answer(OperationStatus.LIMIT_EXCEEDED))
                return
            if not await _acquire_by(queue.lock, submission.deadline - MIN_REMAINING_S):
                log.warning("request_refused", uuid=request.uuid, reason="the device was busy until the deadline")
                reply.final(Answer(OperationStatus.NODE_NOT_RESPONDING, self._records.get(request.uuid)))
                return
            try:
                await self._begin(submission)
            finally:
                queue.lock.release()
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[request.uuid]

    async def _begin(self, submission: _Submission) -> None:
        """Check and journal the request; execute it where it is new and allowed."""
        request, reply = submission.request, submission.reply
        record = self._records.get(request.uuid)
        try:
            level = self._permissions.level(request.user, request.uuid)
            if (refused := refusal(request, level, record, self._cloud_now(), self._ttl)) is not None:
                raise refused
            begun = await self._journal.begin(request)
            if isinstance(begun, Repeated):
                await self._repeat(begun.answer, reply)
        except GatewayError as error:
            # Not in the journal, or not answered again: nothing was done, and the requester may send it again.
            log.info("request_refused", uuid=request.uuid, user=request.user, reason=str(error))
            self.counters["refused"] += 1
            reply.final(Answer(error.status, record))
            return
        if begun is Begun.NEW:
            await self._execute(submission)

    async def _repeat(self, answer: AnswerItem, reply: Reply) -> None:
        """Send the stored answer of a request that came before."""
        self.counters["repeated"] += 1
        if reply.uses_outbox:
            await self._outbox.add(answer)
        else:
            reply.final(Answer(OperationStatus[answer.status], answer.record))

    async def _execute(self, submission: _Submission) -> None:
        request, reply = submission.request, submission.reply
        clock = asyncio.get_running_loop().time
        self.counters["executed"] += 1
        started = clock()
        if (progress := _PROGRESS.get(type(request.action))) is not None:
            reply.progress(progress)
        answer = await self._outcome(submission)
        try:
            await self._journal.finish(_item(request, answer), through_outbox=reply.uses_outbox)
        except StoreError as error:
            log.error("answer_not_stored", uuid=request.uuid, reason=str(error))  # noqa: TRY400
            reply.final(answer)
        else:
            if not reply.uses_outbox:
                reply.final(answer)
        log.info(
            "request_answered",
            user=request.user,
            uuid=request.uuid,
            exectype=request.exectype,
            status=answer.status.name,
            took_s=round(clock() - started, 4),
        )

    async def _outcome(self, submission: _Submission) -> Answer:
        """The handler's answer, or the status that its failure means."""
        request = submission.request
        record = self._records.get(request.uuid)
        try:
            async with asyncio.timeout_at(submission.deadline):
                return await self._handlers.execute(request)
        except GatewayError as error:
            log.info("request_failed", uuid=request.uuid, reason=str(error))
            return Answer(error.status, record)
        except TimeoutError:
            return Answer(OperationStatus.NODE_NOT_RESPONDING, record)
        except Exception:  # a fault of ours: answered as one, and the daemon goes on
            log.exception("handler_failed", uuid=request.uuid, exectype=request.exectype)
            return Answer(OperationStatus.UNKNOWN_ERROR, record)


def _item(request: Request, answer: Answer) -> AnswerItem:
    return AnswerItem(
        user=request.user,
        category=request.category,
        uuid=request.uuid,
        exectype=request.exectype,
        sn=request.sn,
        status=answer.status.name,
        record=answer.record,
    )


async def _acquire_by(lock: asyncio.Lock, deadline: float) -> bool:
    """Acquire `lock`; False where that is not possible before `deadline` (loop time)."""
    try:
        async with asyncio.timeout_at(deadline):
            await lock.acquire()
    except TimeoutError:
        return False
    return True
