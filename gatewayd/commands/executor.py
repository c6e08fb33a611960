"""Executes requests: each is checked, journalled, executed once and answered once, whatever transport it came by.

A request's way: the queue of its device → `admission` → the journal → progress → `handlers` → the final answer.
Decoding requests and sending answers is the transport's part: it hands over a `Request` and a `Reply`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from gatewayd.commands.admission import Requester, TimeKnown, refusal
from gatewayd.commands.device_queue import DeviceQueue, priority_of
from gatewayd.commands.handlers import Handlers
from gatewayd.model.errors import GatewayError, RefusedError, StoreError
from gatewayd.model.ids import Uuid
from gatewayd.model.outbox_items import AnswerItem
from gatewayd.model.permission import Permission
from gatewayd.model.ports import Clock, RecordReader
from gatewayd.model.privacy import visible_record
from gatewayd.model.record import Record
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
from gatewayd.refusal_log import RefusalLog, cut
from gatewayd.store.command_journal import Begun, CommandJournal, Entered, Repeated
from gatewayd.store.outbox import Outbox
from gatewayd.trusted_time import boottime_s

log = structlog.get_logger()

DEADLINE_S: Final = 9.5
"""Seconds from submission to the final answer: 10 s are promised to a requester, less the way there."""

MIN_REMAINING_S: Final = 2.0
"""A queued request is started only with this much of its deadline left, so that one that succeeds is never answered as
failed.
"""
_MIN_REMAINING_AT_RADIO_S: Final = 1.0  # what a slow journal may leave of it

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

    def is_owner(self, user: str) -> bool:
        """Whether `user` is the gateway's owner."""
        ...


@dataclass(frozen=True, slots=True)
class _Submission:
    """A request, where its answers go, the loop time by which it needs its final answer, and a moment (`boottime_s`)
    after which it was sent.
    """

    request: Request
    reply: Reply
    deadline: float
    sent_after: float


class CommandExecutor:
    """Executes submitted requests until `run` is cancelled. A request older than `ttl` by `clock` is not executed.

    `deadline_s` includes the time in the queue. `boottime` counts seconds, those of a suspended board too. What a
    record in an answer shows follows the requester's permission.
    """

    def __init__(
        self,
        *,
        records: RecordReader,
        journal: CommandJournal,
        outbox: Outbox,
        permissions: Permissions,
        handlers: Handlers,
        clock: Clock,
        ttl: timedelta,
        deadline_s: float = DEADLINE_S,
        boottime: Callable[[], float] = boottime_s,
    ) -> None:
        self._records = records
        self._journal = journal
        self._outbox = outbox
        self._permissions = permissions
        self._handlers = handlers
        self._clock = clock
        self._ttl = ttl
        self._deadline_s = deadline_s
        self._boottime = boottime
        self._queues: dict[Uuid, DeviceQueue] = {}
        self._submitted: asyncio.Queue[_Submission] = asyncio.Queue(MAX_SUBMITTED)
        self._refusals = RefusalLog(time.monotonic)
        self.counters: Counter[str] = Counter()
        """Requests: `executed` ones (begun, whatever came of them), `repeated`, `refused` (nothing was done), and
        `crashed`, those that a fault of ours ended; one that crashed while it was executed is both.
        """

    async def submit(self, request: Request, reply: Reply) -> None:
        """Hand over a request; returns once it is queued. It is executed even if the transport's connection ends."""
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        sent_after = self._boottime() if request.sent_after is None else request.sent_after
        await self._submitted.put(_Submission(request, reply, deadline, sent_after))

    async def run(self) -> None:
        """Execute what is submitted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                submission = await self._submitted.get()
                tasks.create_task(self._answer(submission), name=f"request-{submission.request.sn}")

    async def answer_unfinished(self) -> frozenset[Uuid]:
        """Answer 操作失败 to every request that a crash interrupted; returns the devices whose state must be read."""
        unfinished = await self._journal.unfinished()
        for one in unfinished:
            answer = AnswerItem(
                user=one.user,
                category=one.category,
                uuid=one.uuid,
                exectype=one.exectype,
                sn=one.sn,
                status=OperationStatus.FAILED.name,
                record=self._visible(one.user, one.uuid, self._records.get(one.uuid)),
            )
            try:
                await self._journal.finish(one.id, answer)
            except StoreError as error:  # a full disk: the next start answers it
                log.error("interrupted_request_not_answered", uuid=one.uuid, reason=str(error))  # noqa: TRY400
            else:
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
        request = submission.request
        structlog.contextvars.bind_contextvars(sn=cut(str(request.sn)))
        queue = self._queues.setdefault(request.uuid, DeviceQueue())
        priority = priority_of(request, is_owner=self._permissions.is_owner(request.user))
        try:
            has_turn = await queue.acquire(request.user, priority, submission.deadline - MIN_REMAINING_S)
            if not has_turn:
                self._note_refusal(request, "the device was busy until the deadline")
                self._refuse(submission, OperationStatus.NODE_NOT_RESPONDING)
                return
            try:
                await self._begin(submission)
            finally:
                queue.release()
        except RefusedError as error:
            self._note_refusal(request, error)
            submission.reply.final(Answer(error.status))
        finally:
            if queue.is_idle:
                self._queues.pop(request.uuid, None)

    async def _begin(self, submission: _Submission) -> None:
        """Check and journal the request; execute it where it is new and allowed."""
        request, reply = submission.request, submission.reply
        try:
            if refused := self._refusal(submission):
                raise refused
            begun = await self._begin_in_journal(request)
            if isinstance(begun, Repeated):
                await self._repeat(request, begun.answer, reply)
        except GatewayError as error:
            # Not in the journal, or not answered again: nothing was done, and the requester may send it again.
            self._note_refusal(request, error)
            self._refuse(submission, error.status)
            return
        if begun is None or isinstance(begun, Entered):
            await self._execute(submission, None if begun is None else begun.id)

    async def _begin_in_journal(self, request: Request) -> Begun | None:
        """Enter the request; None for a query that the disk does not take: to ask changes nothing, once or twice.

        Raises StoreError.
        """
        try:
            return await self._journal.begin(request)
        except StoreError:
            if isinstance(request.action, Query):
                return None
            raise

    def _refusal(self, submission: _Submission) -> GatewayError | None:
        """Why the request may not be executed now."""
        request = submission.request
        requester = Requester(
            self._permissions.level(request.user, request.uuid), self._permissions.is_owner(request.user)
        )
        record = self._records.get(request.uuid)
        waited = timedelta(seconds=self._boottime() - submission.sent_after)
        return refusal(request, requester, record, self._time(), waited, self._ttl)

    def _note_refusal(self, request: Request, reason: object) -> None:
        self.counters["refused"] += 1
        self._refusals.info("request_refused", reason, source=request.user, uuid=request.uuid, user=request.user)

    async def _repeat(self, request: Request, stored: AnswerItem, reply: Reply) -> None:
        """Send the stored answer of a request that came before, as the requester may see it by now."""
        self.counters["repeated"] += 1
        answer = Answer(OperationStatus[stored.status], self._visible(request.user, request.uuid, stored.record))
        if reply.uses_outbox:
            await self._outbox.add(_item(request, answer))
        else:
            reply.final(answer)

    async def _execute(self, submission: _Submission, row: int | None) -> None:
        """Execute and answer a request; `row` is the journal's, None where it is not in there."""
        request, reply = submission.request, submission.reply
        clock = asyncio.get_running_loop().time
        started = clock()
        # Judged again: writing the journal may have taken long, or the process stood still.
        refused = self._refusal(submission)
        if refused is None and submission.deadline - started < _MIN_REMAINING_AT_RADIO_S:
            refused = RefusedError("too little time is left to execute it", OperationStatus.NODE_NOT_RESPONDING)
        self.counters["executed" if refused is None else "refused"] += 1
        if refused is None and (progress := _PROGRESS.get(type(request.action))) is not None:
            reply.progress(progress)
        outcome = await self._outcome(submission) if refused is None else self._failed(request, refused)
        answer = replace(outcome, record=self._visible(request.user, request.uuid, outcome.record))
        await self._finish(submission, row, answer)
        log.info(
            "request_answered",
            user=request.user,
            uuid=request.uuid,
            exectype=request.exectype,
            status=answer.status.name,
            took_s=round(clock() - started, 4),
        )

    async def _finish(self, submission: _Submission, row: int | None, answer: Answer) -> None:
        """Send the final answer, after it has been entered in the journal where the request is."""
        request, reply = submission.request, submission.reply
        if row is None:
            reply.final(answer)
            return
        item = _item(request, answer)
        try:
            await self._journal.finish(row, item, through_outbox=reply.uses_outbox)
        except StoreError as error:
            log.error("answer_not_stored", uuid=request.uuid, reason=str(error))  # noqa: TRY400
            self._journal.finish_later(row, item)
            reply.final(answer)
        else:
            if not reply.uses_outbox:
                reply.final(answer)

    async def _outcome(self, submission: _Submission) -> Answer:
        """The handler's answer, or the status that its failure means."""
        request = submission.request
        record = self._records.get(request.uuid)
        try:
            async with asyncio.timeout_at(submission.deadline):
                return await self._handlers.execute(replace(request, answer_by=submission.deadline))
        except GatewayError as error:
            return self._failed(request, error)
        except TimeoutError:
            return Answer(OperationStatus.NODE_NOT_RESPONDING, record)
        except Exception:  # a fault of ours: answered as one, and the daemon goes on
            log.exception("handler_failed", uuid=request.uuid, exectype=request.exectype)
            self.counters["crashed"] += 1
            return Answer(OperationStatus.UNKNOWN_ERROR, record)

    def _failed(self, request: Request, error: GatewayError) -> Answer:
        self._refusals.info("request_failed", error, source=request.user, uuid=request.uuid, user=request.user)
        is_denied = error.status is OperationStatus.PERMISSION_DENIED
        return Answer(error.status, None if is_denied else self._records.get(request.uuid))

    def _refuse(self, submission: _Submission, status: OperationStatus) -> None:
        """Answer a request that is not in the journal. 权限不足 says nothing more: it carries no record."""
        request = submission.request
        is_denied = status is OperationStatus.PERMISSION_DENIED
        record = None if is_denied else self._records.get(request.uuid)
        submission.reply.final(Answer(status, self._visible(request.user, request.uuid, record)))

    def _visible(self, user: str, uuid: Uuid, record: Record | None) -> Record | None:
        return visible_record(record, self._permissions.level(user, uuid))

    def _time(self) -> TimeKnown:
        return TimeKnown(self._clock.known_now(), self._clock.not_before())


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
