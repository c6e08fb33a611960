"""One connection to the broker: publishes and receives on it, and judges it by the broker's answers.

What ends with the connection raises aiomqtt.MqttError. What the broker refuses raises MessageRefusedError, or stands in
`BrokerTrouble`; the connection goes on. What is subscribed is left to its `subscriptions`.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import aiomqtt
import structlog

from gatewayd.cloud.mqtt.broker_trouble import (
    BrokerSilentError,
    BrokerTrouble,
    MessageRefusedError,
    UnacknowledgedError,
    puback_error,
)
from gatewayd.cloud.mqtt.client import ArrivedMessage, BrokerLimits, MqttClient, MqttMessage, packet_size
from gatewayd.cloud.mqtt.delivery_check import DeliveryCheck
from gatewayd.cloud.mqtt.poison_messages import ConnectionEnd, PoisonMessages, SentPacket, sent_message
from gatewayd.cloud.mqtt.sent_packets import SentPackets
from gatewayd.cloud.mqtt.subscriptions import Subscriptions
from gatewayd.model.errors import CloudError
from gatewayd.trusted_time import boottime_s

log = structlog.get_logger()

_MAX_IN_FLIGHT: Final = 100  # messages of QoS 1 that wait for their PUBACK
_MAX_QUEUED: Final = 1000
_CHECK_EVERY_S: Final = 60.0
_OF_SERVER_KEEPALIVE: Final = 0.7


@dataclass(frozen=True, slots=True)
class ReceivedMqttMessage:
    """A message from the broker, which sent it after the moment `sent_after` (`boottime_s`)."""

    topic: str
    payload: bytes
    retained: bool
    sent_after: float


class MqttConnection:
    """A connection that stands. `unused_filter` is one that is never subscribed: the broker is asked to end its
    subscription, which changes nothing, to see whether it answers. On `echoed`, the topic of the gateway's own state,
    the broker sends the gateway's messages back.
    """

    def __init__(
        self,
        client: MqttClient,
        *,
        is_v5: bool,
        trouble: BrokerTrouble,
        poison: PoisonMessages,
        unused_filter: str,
        echoed: str,
        ack_timeout_s: float,
        probe_every_s: float,
    ) -> None:
        self._client = client
        self._probe_every_s = probe_every_s
        self._limits = client.limits
        self._is_v5 = is_v5
        self._trouble = trouble
        self._poison = poison
        self._unused_filter = unused_filter
        self._ack_timeout_s = ack_timeout_s
        self._clock = asyncio.get_running_loop().time
        self._queued: asyncio.Queue[MqttMessage] = asyncio.Queue(_MAX_QUEUED)
        self._slots = asyncio.Semaphore(min(self._limits.receive_maximum, _MAX_IN_FLIGHT))
        self._slot_freed_at = self._clock()
        self._sent = SentPackets(poison, ack_timeout_s=ack_timeout_s)
        self.subscriptions = Subscriptions(
            client,
            self._sent,
            is_v5=is_v5,
            trouble=trouble,
            poison=poison,
            echoed=echoed,
            ack_timeout_s=ack_timeout_s,
        )
        self._delivery = DeliveryCheck(
            client, self.subscriptions, self.publish, trouble=trouble, ack_timeout_s=ack_timeout_s
        )
        self.accepted_at = -math.inf
        """When the broker last accepted a message of QoS 1 (the loop's clock)."""

    @property
    def is_answered(self) -> bool:
        """False while an acknowledgement is overdue and none has come since."""
        return self._sent.is_answered

    def end(self, code: int | None) -> ConnectionEnd:
        """What is known about the end of this connection, for `PoisonMessages`; `code` is that of DISCONNECT."""
        return self._sent.end(code)

    # ---- publish

    async def publish(self, message: MqttMessage) -> None:
        """Publish; returns when a message of QoS 0 is written, or the broker has accepted one of QoS 1.

        QoS and retain are lowered to what the broker allows, and what is too large for it is published in its reduced
        form. Raises MessageRefusedError, UnacknowledgedError, aiomqtt.MqttError.
        """
        reason: str | None = None
        for form in (forms := message.forms):
            try:
                await self._publish_form(form)
            except MessageRefusedError as error:
                reason = str(error)
                if error.is_for_size and form is not forms[-1]:
                    continue
                self._note_settled(message, reason, is_published=False)
                if error.is_unauthorized and not message.retain:
                    self._trouble.note_message(message.topic, reason)
                raise
            break
        self._note_settled(message, reason, is_published=True)
        if _fitted(message, self._limits).qos:
            self._trouble.note_message(message.topic, None)

    def publish_soon(self, message: MqttMessage) -> None:
        """Publish without waiting for it; dropped where the connection ends first, or too many wait."""
        try:
            self._queued.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("message_dropped", topic=message.topic, reason=f"{_MAX_QUEUED} messages wait for the broker")

    async def publish_queued(self) -> None:
        """Publish what `publish_soon` takes, until cancelled; no message waits for another's acknowledgement.

        Raises aiomqtt.MqttError.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                message = await self._queued.get()
                await self._take_slot()  # a broker that answers nothing gets no more tasks
                self._slots.release()
                tasks.create_task(self._try_publish(message))

    async def publish_last(self, message: MqttMessage, *, timeout_s: float) -> None:
        """Publish with QoS 0 as the connection's last message, where that is still possible."""
        for form in message.forms:
            if self._size_fault(self._packet(form).size) is not None:
                continue
            with suppress(aiomqtt.MqttError, ValueError):
                if (written := self._client.send(_fitted(replace(form, qos=0), self._limits))) is not None:
                    await asyncio.wait({written}, timeout=timeout_s)
            return

    def is_suspected(self, topic: str) -> bool:
        """True for a topic whose message seems to have ended a connection: publish it after the others."""
        return self._poison.is_suspected(topic)

    async def _try_publish(self, message: MqttMessage) -> None:
        try:
            await self.publish(message)
        except CloudError as error:
            log.info("message_not_published", topic=message.topic, reason=str(error))

    def _size_fault(self, size: int) -> str | None:
        limit = self._limits.maximum_packet_size
        return None if limit is None or size <= limit else f"{size} bytes; the broker takes at most {limit}"

    def _packet(self, message: MqttMessage) -> SentPacket:
        return sent_message(message, packet_size(_fitted(message, self._limits), is_v5=self._is_v5))

    def _refuse_beforehand(self, packet: SentPacket) -> None:
        if fault := self._size_fault(packet.size):
            raise MessageRefusedError(fault, is_final=True, is_for_size=True)
        if refusal := self._poison.refusal(packet, self._clock()):
            raise MessageRefusedError(refusal.reason, is_final=True, is_for_size=refusal.is_for_size)

    async def _publish_form(self, message: MqttMessage) -> None:
        """Publish it as it is. Raises as `publish` does."""
        packet = self._packet(message)
        self._refuse_beforehand(packet)
        await self._publish_in_turn(_fitted(message, self._limits), packet, is_answer_wanted=message.qos > 0)

    def _note_settled(self, message: MqttMessage, reason: str | None, *, is_published: bool) -> None:
        """The message is refused for `reason`, or published: reduced, where there is a reason."""
        for form in message.forms:
            self._poison.forget(self._packet(form))
        if message.retain:
            self._trouble.note_state(message.topic, reason, is_reduced=is_published)
        elif reason is not None and is_published:
            log.info("message_reduced", topic=message.topic, reason=reason)

    async def _publish_in_turn(self, message: MqttMessage, packet: SentPacket, *, is_answer_wanted: bool) -> None:
        is_unanswered = is_answer_wanted and not message.qos  # the broker takes no QoS 1
        if not self._sent.is_careful:
            await self._publish(message, packet)
            if is_unanswered:
                await self.check()
            return
        async with self._sent.turn:
            await self._publish(message, packet)
            if not message.qos:
                await self.check()

    async def _publish(self, message: MqttMessage, packet: SentPacket) -> None:
        if message.qos:
            await self._take_slot()
        answer = self._send(message)
        number = self._sent.note_sent(packet)
        if answer is None:
            return
        if message.qos:
            answer.add_done_callback(self._free_slot)  # a late PUBACK frees its slot too
        # asyncio.wait, unlike a timeout, leaves the future as it is: the broker still owes the acknowledgement.
        done, _ = await asyncio.wait({answer}, timeout=self._ack_timeout_s)
        if not done:
            raise self._overdue(number, message)
        if message.qos:
            self._sent.note_answer(number)
            if refused := puback_error(answer.result()):
                raise refused
            self.accepted_at = self._clock()

    def _send(self, message: MqttMessage) -> "asyncio.Future[int] | None":
        """Send it in the slot that it has where it is one of QoS 1; the slot is free again where that fails."""
        try:
            answer = self._client.send(message)
        except BaseException as error:
            if message.qos:
                self._slots.release()
            if isinstance(error, ValueError):
                raise MessageRefusedError(f"it cannot be a message: {error}", is_final=True) from error
            raise
        if self.subscriptions.comes_back(message.topic):
            self._client.expect_echo(message)
        return answer

    async def _take_slot(self) -> None:
        """Wait until the broker allows one more message without PUBACK. Raises BrokerSilentError where it acknowledges
        none of those that it has, whatever else it answers.
        """
        while self._slots.locked():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._ack_timeout_s):
                    await self._slots.acquire()
                return
            if self._clock() - self._slot_freed_at >= self._ack_timeout_s:
                raise BrokerSilentError(f"the broker has acknowledged no message for {self._ack_timeout_s:g} s")
        await self._slots.acquire()

    def _free_slot(self, _answer: "asyncio.Future[int]") -> None:
        self._slot_freed_at = self._clock()
        self._slots.release()

    def _overdue(self, number: int, message: MqttMessage) -> Exception:
        self._sent.note_overdue()
        if not message.qos:
            return BrokerSilentError(f"nothing could be sent for {self._ack_timeout_s:g} s")
        self._sent.forget(number)  # it ends no connection: this one stands
        return UnacknowledgedError(f"the broker has not acknowledged it within {self._ack_timeout_s:g} s")

    # ---- receive

    async def messages(self) -> AsyncIterator[ReceivedMqttMessage]:
        """The messages that the broker sends, without our own: the owner's first, few of any other user."""
        async for message in self._client.messages:
            assert isinstance(message, ArrivedMessage)
            yield ReceivedMqttMessage(message.topic.value, message.payload, bool(message.retain), message.sent_after)

    # ---- whether the broker answers

    async def check(self) -> None:
        """Have the broker answer, which it does once it has read all that was sent before. Raises BrokerSilentError."""
        number = self._sent.last
        with self._sent.must_answer("UNSUBSCRIBE"):
            await self._client.probe(self._unused_filter, timeout_s=self._ack_timeout_s)
        self._sent.note_answer(number)

    async def keep_checking(self) -> None:
        """Check the broker whenever it has answered nothing for a while, until cancelled. Raises BrokerSilentError.

        A PING says only that its socket is served. The broker's keep-alive is heeded where it is shorter than ours.
        """
        keepalive_s = self._limits.server_keepalive_s
        every_s = min(_CHECK_EVERY_S, keepalive_s * _OF_SERVER_KEEPALIVE) if keepalive_s else _CHECK_EVERY_S
        while True:
            await asyncio.sleep(max(0.0, self._sent.answered_at + every_s - self._clock()))
            if self._clock() >= self._sent.answered_at + every_s:
                await self.check()

    async def keep_probing(self) -> None:
        """Have the broker answer, so that it is known how long each message can have been under way, until cancelled.

        On a line that works that is `probe_every_s` and a round trip at most. One probe is under way at a time: what
        comes while it is not answered may be as old as the one before. Whether the broker answers at all is left to
        `keep_checking`. Raises aiomqtt.MqttError.
        """
        while True:
            pause_s = self._client.proven_at + self._probe_every_s - boottime_s()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            else:
                await self._client.probe(self._unused_filter, timeout_s=None)

    async def check_delivery(self, state_of_gateway: Callable[[], MqttMessage | None]) -> None:
        """Check whether the broker delivers anything, until cancelled. Raises aiomqtt.MqttError."""
        await self._delivery.run(state_of_gateway)

    async def wait_for_end(self) -> None:
        """Raise aiomqtt.MqttError when the connection ends."""
        raise aiomqtt.MqttError(str(await self._client.wait_disconnected()))


def _fitted(message: MqttMessage, limits: BrokerLimits) -> MqttMessage:
    """The message with no more QoS and retain than the broker allows."""
    if message.qos <= limits.maximum_qos and (limits.is_retain_available or not message.retain):
        return message
    return replace(
        message,
        qos=min(message.qos, limits.maximum_qos),
        retain=message.retain and limits.is_retain_available,
    )
