"""What comes down over MQTT: each request is checked, journalled, carried out once, and answered exactly once (§4.2).

A message's way: size and JSON → whose is it → topic and fields → may this user → is it too old → the journal →
progress → the handler → the final answer, through the outbox. Whatever stops it on the way answers it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final, Protocol

import msgspec
import structlog

from gatewayd.cloud.clock import is_stale
from gatewayd.cloud.mqtt.envelope import Envelope, read_envelope, write_envelope
from gatewayd.cloud.mqtt.request_decoder import read_request
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage, ReceivedMqttMessage
from gatewayd.cloud.mqtt.topics import Topic, read_topic
from gatewayd.model.errors import GatewayError, MalformedError, RefusedError, StoreError, UnknownDeviceError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem
from gatewayd.model.permission import Permission, may
from gatewayd.model.ports import RecordReader
from gatewayd.model.record import Record
from gatewayd.model.request import Answer, Handler, Request, UpdateRecord
from gatewayd.model.status import OperationStatus
from gatewayd.store.command_journal import Begun, CommandJournal, Repeated
from gatewayd.store.outbox import Outbox

log = structlog.get_logger()

DEADLINE_S: Final = 9.5
"""A final answer is given within 10 s (the contract); what is left is for the way to the broker."""

ENOUGH_S: Final = 2.0
"""Who waited for his turn begins only if so much of it is left: what is done is not said to be undone."""

MOST_WAITING: Final = 16
"""Requests that may wait for one device; nobody holds a phone that long."""

MOST_AT_ONCE: Final = 256

# While the radio works on it, a request is answered with what is being done.
_PROGRESS: Final[Mapping[ExecType, OperationStatus]] = {
    ExecType.CREATE: OperationStatus.CREATING,
    ExecType.DELETE: OperationStatus.DELETING,
    ExecType.QUERY: OperationStatus.UPDATING,  # the API has no 正在 for reading
    ExecType.CONTROL: OperationStatus.CONTROLLING,
}


class Permissions(Protocol):
    """Who may do what with a device; whoever is not known has NONE."""

    def level(self, user: str, uuid: Uuid) -> Permission: ...


@dataclass(frozen=True, slots=True)
class Handlers:
    """Who carries out what: by category and exectype, else by exectype alone."""

    by_category: Mapping[tuple[Category, ExecType], Handler]
    default: Mapping[ExecType, Handler]

    def of(self, request: Request) -> Handler:
        """The handler of `request`. Raises RefusedError where nobody does such a thing."""
        found = self.by_category.get((request.category, request.exectype)) or self.default.get(request.exectype)
        if found is None:
            raise RefusedError(f"nobody does {request.exectype} here", OperationStatus.BAD_PARAMETERS)
        return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, the line it came on, and until when (the loop's clock) it has its final answer."""

    request: Request
    connection: MqttConnection
    tasks: asyncio.TaskGroup
    until: float

    def say(self, meaning: OperationStatus, record: Record | None = None) -> None:
        """Say what is worthless later: on the line it was asked on or nowhere, and nobody waits for it."""
        request = self.request
        topic = Topic(request.user, request.category, request.uuid, request.exectype)
        message = MqttMessage(str(topic), write_envelope(meaning, record, request.sn), qos=1)
        self.tasks.create_task(self.connection.try_publish(message))


@dataclass(slots=True)
class _Queue:
    """One device's requests, one after the other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class RequestListener:
    """Takes requests off a line. What is begun is finished even if the line breaks: its answer waits in the outbox.

    `rights_changed` hears who says 授权失效: rights are to be looked up now and not at the next sync. `deadline_s` is
    how long a request may take, waiting for its turn included.
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
        zone: tzinfo,
        rights_changed: Callable[[str], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._records = records
        self._journal = journal
        self._outbox = outbox
        self._permissions = permissions
        self._handlers = handlers
        self._cloud_now = cloud_now
        self._ttl = ttl
        self._zone = zone
        self._rights_changed = rights_changed
        self._deadline_s = deadline_s
        self._queues: dict[Uuid, _Queue] = {}
        self._begun: asyncio.Queue[tuple[Request, MqttConnection]] = asyncio.Queue(MOST_AT_ONCE)
        self.counters: Counter[str] = Counter()

    async def run(self) -> None:
        """Carry out what the lines bring, until cancelled. Outlives each line."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                request, connection = await self._begun.get()
                until = asyncio.get_running_loop().time() + self._deadline_s
                tasks.create_task(
                    self._in_turn(_Asked(request, connection, tasks, until)), name=f"request-{request.sn}"
                )

    async def serve(self, connection: MqttConnection) -> None:
        """Read a line until it breaks."""
        async for arrived in connection.arriving():
            await self._take(arrived, connection)

    async def answer_unfinished(self) -> frozenset[Uuid]:
        """Answer 操作失败 to what a crash cut off; returns the devices whose true state is to be read."""
        unfinished = await self._journal.unfinished()
        for cut in unfinished:
            await self._journal.finish(
                AnswerItem(
                    user=cut.user,
                    category=cut.category,
                    uuid=cut.uuid,
                    exectype=cut.exectype,
                    sn=cut.sn,
                    status=OperationStatus.FAILED.name,
                    record=self._records.get(cut.uuid),
                )
            )
            log.warning("request_cut_off_by_restart", sn=cut.sn, uuid=cut.uuid, exectype=cut.exectype)
        return frozenset(cut.uuid for cut in unfinished)

    async def _take(self, arrived: ReceivedMqttMessage, connection: MqttConnection) -> None:
        """One message: a request is handed on, anything else ends here."""
        if not arrived.payload:
            return  # a retained message was cleared
        try:
            topic = read_topic(arrived.topic)
            envelope = read_envelope(arrived.payload)
        except MalformedError as error:
            self._count("unreadable", arrived, error)
            await self._answer_unreadable(arrived, connection)
            return
        if not envelope.is_request:
            self.counters["not_requests"] += 1
            if envelope.meaning is OperationStatus.AUTHORIZATION_EXPIRED and not arrived.retained:
                self._rights_changed(topic.user)
            return
        if arrived.retained:
            self._count("retained", arrived, "a retained request is never carried out")
            return
        try:
            request = read_request(topic, envelope, self._zone)
        except GatewayError as error:
            self._count("refused", arrived, error)
            await self._say(connection, topic, envelope, error.status)
            return
        await self._begun.put((request, connection))

    async def _in_turn(self, asked: _Asked) -> None:
        """A device does one thing at a time; only so many wait for it."""
        request = asked.request
        structlog.contextvars.bind_contextvars(sn=request.sn)
        queue = self._queues.setdefault(request.uuid, _Queue())
        queue.waiting += 1
        try:
            if queue.waiting > MOST_WAITING:
                log.warning("request_refused", uuid=request.uuid, reason="too many wait for this device")
                asked.say(OperationStatus.LIMIT_EXCEEDED)
                return
            if not await _comes_up(queue.lock, asked.until - ENOUGH_S):
                log.warning("request_refused", uuid=request.uuid, reason="its turn did not come in time")
                asked.say(OperationStatus.NODE_NOT_RESPONDING, self._records.get(request.uuid))
                return
            try:
                await self._process(asked)
            finally:
                queue.lock.release()
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[request.uuid]

    async def _process(self, asked: _Asked) -> None:
        request = asked.request
        try:
            self._check(request)
            begun = await self._journal.begin(request)
            if isinstance(begun, Repeated):
                self.counters["repeated"] += 1
                await self._outbox.add(begun.answer)
        except GatewayError as error:
            # Not journalled, or not told again: nothing was done, and it may come again with better luck.
            log.info("request_refused", uuid=request.uuid, user=request.user, reason=str(error))
            self.counters["refused"] += 1
            asked.say(error.status, self._records.get(request.uuid))
            return
        if begun is Begun.NEW:
            await self._carry_out(asked)

    def _check(self, request: Request) -> None:
        """Raises the refusal that fits."""
        if not may(self._permissions.level(request.user, request.uuid), request.exectype):
            raise RefusedError(
                f"{request.user} may not {request.exectype} {request.uuid}", OperationStatus.PERMISSION_DENIED
            )
        if is_stale(request.sent_at, self._cloud_now(), self._ttl):
            raise RefusedError(f"sent at {request.sent_at}: too old to be carried out", OperationStatus.FAILED)
        record = self._records.get(request.uuid)
        if record is None or record.category is not request.category:
            raise UnknownDeviceError(f"no {request.category} {request.uuid} is hosted here")
        if record.unlinked:
            raise UnknownDeviceError(f"the cloud has no device {request.uuid} any more")

    async def _carry_out(self, asked: _Asked) -> None:
        request = asked.request
        self.counters["executed"] += 1
        began = asyncio.get_running_loop().time()
        if not isinstance(request.action, UpdateRecord):
            asked.say(_PROGRESS[request.exectype])
        answer = await self._outcome(asked)
        due = AnswerItem(
            user=request.user,
            category=request.category,
            uuid=request.uuid,
            exectype=request.exectype,
            sn=request.sn,
            status=answer.status.name,
            record=answer.record,
        )
        try:
            await self._journal.finish(due)
        except StoreError as error:  # it was done: that is said at least on the line
            log.error("answer_not_kept", uuid=request.uuid, reason=str(error))  # noqa: TRY400
            asked.say(answer.status, answer.record)
        log.info(
            "request_answered",
            user=request.user,
            uuid=request.uuid,
            exectype=request.exectype,
            status=answer.status.name,
            took_s=round(asyncio.get_running_loop().time() - began, 4),
        )

    async def _outcome(self, asked: _Asked) -> Answer:
        """What the handler says, or the meaning of why it could not."""
        request = asked.request
        record = self._records.get(request.uuid)
        try:
            async with asyncio.timeout_at(asked.until):
                return await self._handlers.of(request)(request)
        except GatewayError as error:
            log.info("request_failed", uuid=request.uuid, reason=str(error))
            return Answer(error.status, record)
        except TimeoutError:
            return Answer(OperationStatus.NODE_NOT_RESPONDING, record)
        except Exception:  # the one edge where a fault of ours becomes an answer instead of the daemon's end
            log.exception("handler_broke", uuid=request.uuid, exectype=request.exectype)
            return Answer(OperationStatus.UNKNOWN_ERROR, record)

    async def _answer_unreadable(self, arrived: ReceivedMqttMessage, connection: MqttConnection) -> None:
        """What cannot be read is answered where a `sn` can be found in it and a topic to answer on."""
        try:
            topic = read_topic(arrived.topic)
            found = msgspec.json.decode(arrived.payload[: 1 << 20], type=_SnOnly)
        except (MalformedError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not arrived.retained and (found.status is None or Envelope({}, found.status, found.desc).is_request):
            await self._say(connection, topic, Envelope({"sn": found.msg.sn}), OperationStatus.BAD_PARAMETERS)

    async def _say(
        self, connection: MqttConnection, topic: Topic, envelope: Envelope, meaning: OperationStatus
    ) -> None:
        if (sn := envelope.sn) is not None:
            await connection.publish(MqttMessage(str(topic), write_envelope(meaning, None, sn), qos=1))

    def _count(self, what: str, arrived: ReceivedMqttMessage, reason: object) -> None:
        self.counters[what] += 1
        log.warning(f"request_{what}", topic=arrived.topic, size=len(arrived.payload), reason=str(reason))


async def _comes_up(turn: asyncio.Lock, until: float) -> bool:
    """Take `turn`; False where it does not come until then."""
    try:
        async with asyncio.timeout_at(until):
            await turn.acquire()
    except TimeoutError:
        return False
    return True


class _Sn(msgspec.Struct):
    sn: str | int | None = None


class _SnOnly(msgspec.Struct):
    """As much of a payload as an answer needs."""

    msg: _Sn = msgspec.field(default_factory=_Sn)
    status: int | None = None
    desc: str = ""
