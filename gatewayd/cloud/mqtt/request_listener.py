"""Takes what arrives over MQTT, hands requests to the executor, and sends their answers on the same connection.

A message's way: size and JSON → whether it is a request → topic and fields → the executor. What cannot be a request is
counted, and answered where a `sn` can be found in it; an unexpected exception ends the handling of that message alone.
Whether a request may be executed is `commands/`'s decision.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import ClassVar, Protocol

import msgspec
import structlog

from gatewayd.cloud.mqtt.answers import answer_message
from gatewayd.cloud.mqtt.envelope import find_sn, read_envelope, write_envelope
from gatewayd.cloud.mqtt.request_decoder import decode_request, is_sync_request
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage, ReceivedMqttMessage
from gatewayd.cloud.mqtt.topics import Topic, read_topic
from gatewayd.model.errors import GatewayError, MalformedError
from gatewayd.model.record import Record
from gatewayd.model.request import Answer, Request
from gatewayd.model.status import OperationStatus
from gatewayd.refusal_log import RefusalLog, cut

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
        self.connection.publish_soon(answer_message(topic, status, record, request.sn))


class RequestListener:
    """Listens on each connection. `access_changed` is called with the topic on which somebody publishes 授权失效, or an
    empty 请求更新信息 for the gateway: permissions are then looked up at once and not with the next sync. It returns
    whether the user of that topic may say so.
    """

    def __init__(self, submit: Submit, *, zone: tzinfo, access_changed: Callable[[Topic], Awaitable[bool]]) -> None:
        self._submit = submit
        self._zone = zone
        self._access_changed = access_changed
        self._refusals = RefusalLog(time.monotonic)
        self.counters: Counter[str] = Counter()
        """Messages that became no request: `unreadable`, `not_requests`, `retained`, `refused`, `crashed` (by a fault
        of the gateway's own).
        """

    async def serve(self, connection: MqttConnection) -> None:
        """Take what arrives on `connection` until it breaks."""
        async for message in connection.messages():
            try:
                await self._take(message, connection)
            except Exception:  # a fault of ours: this message is answered, the next ones are taken
                self.counters["crashed"] += 1
                log.exception("request_failed", topic=cut(message.topic), size=len(message.payload))
                _answer_unread(message, connection, OperationStatus.UNKNOWN_ERROR)

    async def _take(self, message: ReceivedMqttMessage, connection: MqttConnection) -> None:
        if not message.payload:
            return  # a retained message was cleared
        try:
            topic = read_topic(message.topic)
            envelope = read_envelope(message.payload)
        except MalformedError as error:
            self._count("unreadable", message, error)
            _answer_unread(message, connection, OperationStatus.BAD_PARAMETERS)
            return
        if not envelope.is_request:
            self.counters["not_requests"] += 1
            if envelope.meaning is OperationStatus.AUTHORIZATION_EXPIRED and not message.retained:
                await self._access_changed(topic)
            return
        if message.retained:
            self._count("retained", message, "a retained request is never executed")
            return
        if is_sync_request(topic, envelope) and await self._access_changed(topic):
            _answer(connection, topic, find_sn(message.payload), OperationStatus.UPDATED)
            return
        try:
            request = decode_request(topic, envelope, message.payload, self._zone)
        except GatewayError as error:
            self._count("refused", message, error)
            _answer(connection, topic, find_sn(message.payload), error.status)
            return
        request = replace(request, sent_after=message.sent_after)
        await self._submit(request, MqttReply(request, connection))

    def _count(self, what: str, message: ReceivedMqttMessage, reason: object) -> None:
        self.counters[what] += 1
        source = message.topic.partition("/")[0]
        self._refusals.warning(
            f"request_{what}", reason, source=source, topic=cut(message.topic), size=len(message.payload)
        )


def _answer_unread(message: ReceivedMqttMessage, connection: MqttConnection, status: OperationStatus) -> None:
    """Answer `status` where topic and `sn` can be read, and nothing says that the message is no request."""
    if message.retained or (sn := find_sn(message.payload)) is None:
        return
    try:
        topic = read_topic(message.topic)
    except MalformedError:
        return
    _answer(connection, topic, sn, status)


def _answer(connection: MqttConnection, topic: Topic, sn: msgspec.Raw | None, status: OperationStatus) -> None:
    """Answer without waiting for the broker: one that withholds its acknowledgement delays no other request."""
    if sn is not None:
        connection.publish_soon(MqttMessage(str(topic), write_envelope(status, None, sn), qos=1))
