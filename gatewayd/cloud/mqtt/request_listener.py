"""Takes what arrives over MQTT, hands requests to the executor, and sends their answers on the same connection.

A message's way: size and JSON → whether it is a request → topic and fields → the executor. What cannot be a request is
counted, and answered where a `sn` can be found in it. Whether a request may be executed is `commands/`'s decision.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import ClassVar, Protocol

import msgspec
import structlog

from gatewayd.cloud.mqtt.envelope import Envelope, read_envelope, write_envelope
from gatewayd.cloud.mqtt.request_decoder import decode_request
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage, ReceivedMqttMessage
from gatewayd.cloud.mqtt.topics import Topic, read_topic
from gatewayd.model.errors import GatewayError, MalformedError
from gatewayd.model.record import Record
from gatewayd.model.request import Answer, Request
from gatewayd.model.status import OperationStatus

log = structlog.get_logger()


class Submit(Protocol):
    """The signature of `CommandExecutor.submit`."""

    def __call__(self, request: Request, reply: "MqttReply", /) -> Awaitable[None]:
        """Hand over a request; returns once it is queued."""
        ...


@dataclass(frozen=True, slots=True)
class MqttReply:
    """Answers on the topic of the request. Its final answer goes through the outbox: the connection may break."""

    request: Request
    connection: MqttConnection
    uses_outbox: ClassVar[bool] = True

    def progress(self, status: OperationStatus) -> None:
        """Publish that the request is being executed."""
        self._publish(status, None)

    def final(self, answer: Answer) -> None:
        """Publish a final answer that is not in the outbox."""
        self._publish(answer.status, answer.record)

    def _publish(self, status: OperationStatus, record: Record | None) -> None:
        request = self.request
        topic = Topic(request.user, request.category, request.uuid, request.exectype)
        self.connection.publish_soon(MqttMessage(str(topic), write_envelope(status, record, request.sn), qos=1))


class RequestListener:
    """Listens on each connection. `access_changed` is called with the user who publishes 授权失效: permissions are then
    looked up at once and not with the next sync.
    """

    def __init__(self, submit: Submit, *, zone: tzinfo, access_changed: Callable[[str], None]) -> None:
        self._submit = submit
        self._zone = zone
        self._access_changed = access_changed
        self.counters: Counter[str] = Counter()
        """Messages that became no request: `unreadable`, `not_requests`, `retained`, `refused`."""

    async def serve(self, connection: MqttConnection) -> None:
        """Take what arrives on `connection` until it breaks."""
        async for message in connection.messages():
            await self._take(message, connection)

    async def _take(self, message: ReceivedMqttMessage, connection: MqttConnection) -> None:
        if not message.payload:
            return  # a retained message was cleared
        try:
            topic = read_topic(message.topic)
            envelope = read_envelope(message.payload)
        except MalformedError as error:
            self._count("unreadable", message, error)
            await self._answer_unreadable(message, connection)
            return
        if not envelope.is_request:
            self.counters["not_requests"] += 1
            if envelope.meaning is OperationStatus.AUTHORIZATION_EXPIRED and not message.retained:
                self._access_changed(topic.user)
            return
        if message.retained:
            self._count("retained", message, "a retained request is never executed")
            return
        try:
            request = decode_request(topic, envelope, self._zone)
        except GatewayError as error:
            self._count("refused", message, error)
            await _refuse(connection, topic, envelope, error.status)
            return
        await self._submit(request, MqttReply(request, connection))

    async def _answer_unreadable(self, message: ReceivedMqttMessage, connection: MqttConnection) -> None:
        """Answer 请求设备参数错误 where a topic and a `sn` can be read, and nothing says that it is no request."""
        try:
            topic = read_topic(message.topic)
            found = msgspec.json.decode(message.payload[: 1 << 20], type=_SnOnly)
        except (MalformedError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not message.retained and (found.status is None or Envelope({}, found.status, found.desc).is_request):
            await _refuse(connection, topic, Envelope({"sn": found.msg.sn}), OperationStatus.BAD_PARAMETERS)

    def _count(self, what: str, message: ReceivedMqttMessage, reason: object) -> None:
        self.counters[what] += 1
        log.warning(f"request_{what}", topic=message.topic, size=len(message.payload), reason=str(reason))


async def _refuse(connection: MqttConnection, topic: Topic, envelope: Envelope, status: OperationStatus) -> None:
    if (sn := envelope.sn) is not None:
        await connection.publish(MqttMessage(str(topic), write_envelope(status, None, sn), qos=1))


class _Sn(msgspec.Struct):
    sn: str | int | None = None


class _SnOnly(msgspec.Struct):
    """As much of a payload as an answer needs."""

    msg: _Sn = msgspec.field(default_factory=_Sn)
    status: int | None = None
    desc: str = ""
