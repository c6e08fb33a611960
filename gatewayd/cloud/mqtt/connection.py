"""One connection to the broker: publishes, subscribes and receives on it, and judges it by the broker's answers.

What ends with the connection raises aiomqtt.MqttError. What the broker refuses raises MessageRefusedError, or stands in
`BrokerTrouble`; the connection goes on.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from typing import Final

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.mqtt.client import FIRST_FAILURE, BrokerLimits, MqttClient, MqttMessage, code_number, packet_size
from gatewayd.cloud.mqtt.poison_messages import (
    ConnectionEnd,
    PoisonMessages,
    SentPacket,
    sent_filter,
    sent_message,
)
from gatewayd.model.errors import CloudError

log = structlog.get_logger()

_MAX_IN_FLIGHT: Final = 100  # messages of QoS 1 that wait for their PUBACK
_MAX_QUEUED: Final = 1000
_MAX_FILTERS: Final = 50  # in one SUBSCRIBE or UNSUBSCRIBE
_MAX_FILTER_BYTES: Final = 16 * 1024
_FILTER_OVERHEAD: Final = 3  # length and options of one filter
_SUBSCRIBE_OVERHEAD: Final = 16
_MAX_LOGGED: Final = 5  # filters in one line
_MAX_UNANSWERED: Final = 256  # are remembered, the newest
_CAREFUL_S: Final = 30.0
_BLAMED_FOR_S: Final = 5.0  # a broker closes at once what it closes for a message
_CHECK_EVERY_S: Final = 60.0
_OF_SERVER_KEEPALIVE: Final = 0.7
_SUBSCRIBE_BACKOFF: Final = Backoff(first_s=2.0, longest_s=300.0)

_REFUSED_FOR_GOOD: Final = frozenset({135, 144, 149, 153})
"""Reason codes of PUBACK that no other attempt changes: not authorized, topic name, too large, payload format."""


class BrokerSilentError(aiomqtt.MqttError):
    """The broker does not answer within the bound: the connection is judged dead."""


class MessageRefusedError(CloudError):
    """The broker refuses this message, or would. `is_final`: no other attempt changes that."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


class UnacknowledgedError(CloudError):
    """No PUBACK for this message within the bound. Whether the broker answers others is not known."""


@dataclass(frozen=True, slots=True)
class ReceivedMqttMessage:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(slots=True)
class BrokerTrouble:
    """What the broker refuses, with its reason: topic filters (on this connection), and states by their topics."""

    filters: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    def note_filters(self, reasons: Mapping[str, str | None]) -> None:
        """Filters are refused, with these reasons, or granted (None); told in the log where that is new."""
        granted = [name for name, reason in reasons.items() if reason is None and name in self.filters]
        for name in granted:
            del self.filters[name]
        refused = {name: reason for name, reason in reasons.items() if reason and self.filters.get(name) != reason}
        self.filters |= refused
        if granted:
            log.info("subscriptions_granted", count=len(granted), filters=granted[:_MAX_LOGGED])
        if refused:
            shown = dict(islice(refused.items(), _MAX_LOGGED))
            log.error("subscriptions_refused", count=len(refused), filters=shown)

    def note_state(self, topic: str, reason: str | None) -> None:
        """A state is refused, or was published (None); told in the log where that is new."""
        if reason is None:
            self.states.pop(topic, None)
        elif self.states.get(topic) != reason:
            self.states[topic] = reason
            log.error("state_not_published", topic=topic, reason=reason)


class MqttConnection:
    """A connection that stands. `unused_filter` is one that is never subscribed: the broker is asked to end its
    subscription, which changes nothing, to see whether it answers.
    """

    def __init__(
        self,
        client: MqttClient,
        *,
        is_v5: bool,
        trouble: BrokerTrouble,
        poison: PoisonMessages,
        unused_filter: str,
        ack_timeout_s: float,
    ) -> None:
        self._client = client
        self._limits = client.limits
        self._is_v5 = is_v5
        self._trouble = trouble
        self._poison = poison
        self._unused_filter = unused_filter
        self._ack_timeout_s = ack_timeout_s
        self._clock = asyncio.get_running_loop().time
        self._queued: asyncio.Queue[MqttMessage] = asyncio.Queue(_MAX_QUEUED)
        self._slots = asyncio.Semaphore(min(self._limits.receive_maximum, _MAX_IN_FLIGHT))
        self._turn = asyncio.Lock()
        self._subscribing = asyncio.Lock()
        self._has_refused_filters = asyncio.Event()
        self._was_careful = poison.is_careful
        self._careful_until = self._clock() + (_CAREFUL_S if poison.is_careful else 0.0)
        self._unanswered: dict[int, tuple[SentPacket, float]] = {}  # and when it was sent
        self._sent = 0  # packets
        self._has_answered_message = False
        self._has_answered_filter = False
        self._answered_at = self._clock()
        self._overdue_since: float | None = None
        self.accepted_at = -math.inf
        """When the broker last accepted a message of QoS 1 (the loop's clock)."""
        self.filters: frozenset[str] = frozenset()
        self.is_subscribed = False
        """True once the broker has answered the first subscriptions."""

    @property
    def is_answered(self) -> bool:
        """False while an acknowledgement is overdue and none has come since."""
        return self._overdue_since is None

    def end(self, code: int | None) -> ConnectionEnd:
        """What is known about the end of this connection, for `PoisonMessages`; `code` is that of DISCONNECT."""
        earliest = self._clock() - _BLAMED_FOR_S
        return ConnectionEnd(
            tuple(sent for sent, at in self._unanswered.values() if at >= earliest),
            self._has_answered_message,
            self._has_answered_filter,
            self._was_careful,
            code,
        )

    # ---- publish

    async def publish(self, message: MqttMessage) -> None:
        """Publish; returns when a message of QoS 0 is written, or the broker has accepted one of QoS 1.

        QoS and retain are lowered to what the broker allows. Raises MessageRefusedError, UnacknowledgedError,
        aiomqtt.MqttError.
        """
        fitted = _fitted(message, self._limits)
        size = packet_size(fitted, is_v5=self._is_v5)
        sent = sent_message(message, size)
        try:
            self._refuse_beforehand(sent)
            await self._publish_in_turn(fitted, sent, is_answer_wanted=message.qos > 0)
        except MessageRefusedError as error:
            if message.retain:
                self._trouble.note_state(message.topic, str(error))
            raise
        if message.retain and self._trouble.states:
            self._trouble.note_state(message.topic, None)

    def publish_soon(self, message: MqttMessage) -> None:
        """Publish without waiting for it; dropped where the connection ends first, or too many wait."""
        try:
            self._queued.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("message_dropped", topic=message.topic, reason=f"{_MAX_QUEUED} messages wait for the broker")

    async def publish_queued(self) -> None:
        """Publish what `publish_soon` takes, until cancelled; no message waits for another's acknowledgement."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                message = await self._queued.get()
                async with self._slots:  # a broker that answers nothing gets no more tasks
                    pass
                tasks.create_task(self._try_publish(message))

    async def publish_last(self, message: MqttMessage, *, timeout_s: float) -> None:
        """Publish with QoS 0 as the connection's last message, where that is still possible."""
        fitted = _fitted(replace(message, qos=0), self._limits)
        if self._size_fault(packet_size(fitted, is_v5=self._is_v5)) is None:
            with suppress(aiomqtt.MqttError, ValueError):
                if (written := self._client.send(fitted)) is not None:
                    await asyncio.wait({written}, timeout=timeout_s)

    def is_suspected(self, topic: str) -> bool:
        """True for a topic whose message seems to have ended a connection: publish it after the others."""
        return self._poison.is_suspected(topic)

    async def _try_publish(self, message: MqttMessage) -> None:
        try:
            await self.publish(message)
        except (aiomqtt.MqttError, CloudError) as error:
            log.info("message_not_published", topic=message.topic, reason=str(error))

    def _size_fault(self, size: int) -> str | None:
        limit = self._limits.maximum_packet_size
        return None if limit is None or size <= limit else f"{size} bytes; the broker takes at most {limit}"

    def _refuse_beforehand(self, sent: SentPacket) -> None:
        if reason := self._size_fault(sent.size) or self._poison.refusal(sent, self._clock()):
            raise MessageRefusedError(reason, is_final=True)

    async def _publish_in_turn(self, message: MqttMessage, sent: SentPacket, *, is_answer_wanted: bool) -> None:
        is_unanswered = is_answer_wanted and not message.qos  # the broker takes no QoS 1
        if self._clock() >= self._careful_until:
            await self._publish(message, sent)
            if is_unanswered:
                await self.check()
            return
        async with self._turn:
            await self._publish(message, sent)
            if not message.qos:
                await self.check()

    async def _publish(self, message: MqttMessage, sent: SentPacket) -> None:
        if message.qos:
            await self._take_slot()
        try:
            answer = self._client.send(message)
            if not self._is_v5:
                self._client.expect_echo(message)
        except BaseException as error:
            if message.qos:
                self._slots.release()
            if isinstance(error, ValueError):
                raise MessageRefusedError(f"it cannot be a message: {error}", is_final=True) from error
            raise
        number = self._remember(sent)
        if answer is None:
            return
        if message.qos:
            answer.add_done_callback(lambda _answer: self._slots.release())  # a late PUBACK frees its slot too
        # asyncio.wait, unlike a timeout, leaves the future as it is: the broker still owes the acknowledgement.
        done, _ = await asyncio.wait({answer}, timeout=self._ack_timeout_s)
        if not done:
            raise self._overdue(number, message)
        if message.qos:
            self._has_answered_message = True
            self._note_answer(number)
            _raise_refusal(answer.result())
            self.accepted_at = self._clock()

    async def _take_slot(self) -> None:
        """Wait until the broker allows one more message without PUBACK. Raises BrokerSilentError."""
        while self._slots.locked():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._ack_timeout_s):
                    await self._slots.acquire()
                return
            if self._clock() - self._answered_at >= self._ack_timeout_s:
                raise BrokerSilentError(f"the broker has acknowledged nothing for {self._ack_timeout_s:g} s")
        await self._slots.acquire()

    def _overdue(self, number: int, message: MqttMessage) -> Exception:
        self._overdue_since = self._overdue_since or self._clock()
        if not message.qos:
            return BrokerSilentError(f"nothing could be sent for {self._ack_timeout_s:g} s")
        self._unanswered.pop(number, None)  # it ends no connection: this one stands
        return UnacknowledgedError(f"the broker has not acknowledged it within {self._ack_timeout_s:g} s")

    # ---- whether the broker answers

    async def check(self) -> None:
        """Have the broker answer, which it does once it has read all that was sent before. Raises BrokerSilentError."""
        number = self._sent
        with self._must_answer("UNSUBSCRIBE"):
            await self._client.unsubscribe(self._unused_filter, timeout=self._ack_timeout_s)
        if any(not sent.is_filter for sent in self._note_answer(number)):
            self._has_answered_message = True

    async def keep_checking(self) -> None:
        """Check the broker whenever it has answered nothing for a while, until cancelled. Raises BrokerSilentError.

        A PING says only that its socket is served. The broker's keep-alive is heeded where it is shorter than ours.
        """
        keepalive_s = self._limits.server_keepalive_s
        every_s = min(_CHECK_EVERY_S, keepalive_s * _OF_SERVER_KEEPALIVE) if keepalive_s else _CHECK_EVERY_S
        while True:
            await asyncio.sleep(max(0.0, self._answered_at + every_s - self._clock()))
            if self._clock() >= self._answered_at + every_s:
                await self.check()

    async def wait_for_end(self) -> None:
        """Raise aiomqtt.MqttError when the connection ends."""
        raise aiomqtt.MqttError(str(await self._client.wait_disconnected()))

    def _remember(self, sent: SentPacket) -> int:
        self._sent += 1
        self._unanswered[self._sent] = sent, self._clock()
        if len(self._unanswered) > _MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        return self._sent

    def _note_answer(self, number: int) -> list[SentPacket]:
        """The broker has answered packet `number`. It reads packets in order: it has taken the earlier ones, too.

        Returns those that had no answer yet.
        """
        self._answered_at, self._overdue_since = self._clock(), None
        places = list(takewhile(lambda place: place <= number, self._unanswered))
        answered = [self._unanswered.pop(place)[0] for place in places]
        for sent in answered:
            self._poison.note_answered(sent)
        return answered

    @contextmanager
    def _must_answer(self, packet: str) -> Iterator[None]:
        """Translate aiomqtt's timeout of SUBSCRIBE and UNSUBSCRIBE, and raise a cancellation that it lost.

        aiomqtt uses `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes as it ends.
        """
        before = _cancellations()
        try:
            yield
        except aiomqtt.MqttCodeError:
            raise
        except aiomqtt.MqttError as error:
            self._overdue_since = self._overdue_since or self._clock()
            raise BrokerSilentError(f"the broker has not answered {packet} in {self._ack_timeout_s:g} s") from error
        if _cancellations() > before:
            raise asyncio.CancelledError

    # ---- subscribe

    async def set_subscriptions(self, filters: Iterable[str]) -> None:
        """Subscribe and unsubscribe so that the subscriptions are `filters`. Raises aiomqtt.MqttError.

        Those that the broker refuses are asked for again by `retry_refused`.
        """
        requested = frozenset(filters)
        async with self._subscribing:
            await self._subscribe(requested - self.filters)
            for chunk in self._chunks(sorted(self.filters - requested - self._trouble.filters.keys())):
                with self._must_answer("UNSUBSCRIBE"):
                    await self._client.unsubscribe(list(chunk), timeout=self._ack_timeout_s)
            for name in self._trouble.filters.keys() - requested:
                del self._trouble.filters[name]
            self.filters = requested
        self.is_subscribed = True

    async def retry_refused(self) -> None:
        """Ask for refused subscriptions again, ever less often, until cancelled. Raises aiomqtt.MqttError."""
        retries = Retries(_SUBSCRIBE_BACKOFF)
        while True:
            await self._has_refused_filters.wait()
            await asyncio.sleep(retries.next_pause_s())
            async with self._subscribing:
                await self._subscribe(self.filters & self._trouble.filters.keys())
                if not self._trouble.filters:
                    self._has_refused_filters.clear()
                    retries.reset()

    async def messages(self) -> AsyncIterator[ReceivedMqttMessage]:
        """The messages that the broker sends, without our own: the owner's first, few of any other user."""
        async for message in self._client.messages:
            yield ReceivedMqttMessage(message.topic.value, message.payload, bool(message.retain))

    async def _subscribe(self, filters: Iterable[str]) -> None:
        for chunk in self._chunks(sorted(filters, key=lambda name: (self.is_suspected(name), name))):
            await self._subscribe_chunk(chunk)
        if self._trouble.filters:
            self._has_refused_filters.set()

    def _chunks(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """As many filters as one packet may have; one each on a careful connection."""
        room = min(_MAX_FILTER_BYTES, self._limits.maximum_packet_size or _MAX_FILTER_BYTES) - _SUBSCRIBE_OVERHEAD
        most = 1 if self._clock() < self._careful_until else _MAX_FILTERS
        chunk: list[str] = []
        used = 0
        for name in names:
            length = len(name.encode(errors="replace")) + _FILTER_OVERHEAD
            if chunk and (len(chunk) >= most or used + length > room):
                yield chunk
                chunk, used = [], 0
            chunk.append(name)
            used += length
        if chunk:
            yield chunk

    async def _subscribe_chunk(self, names: Sequence[str]) -> None:
        now = self._clock()
        beforehand = {name: self._poison.refusal(sent_filter(name), now) for name in names}
        self._trouble.note_filters({name: reason for name, reason in beforehand.items() if reason})
        asked = [name for name, reason in beforehand.items() if reason is None]
        if not asked:
            return
        try:
            codes = await self._ask_for(asked)
        except ValueError as error:  # one of them cannot be a filter
            if len(asked) == 1:
                self._trouble.note_filters({asked[0]: str(error)})
            else:
                for name in asked:
                    await self._subscribe_chunk([name])
            return
        codes += [FIRST_FAILURE] * (len(asked) - len(codes))  # a SUBACK that is too short
        self._trouble.note_filters(
            {
                name: _code_text(code, PacketTypes.SUBACK) if code >= FIRST_FAILURE else None
                for name, code in zip(asked, codes, strict=False)
            }
        )

    async def _ask_for(self, names: Sequence[str]) -> list[int]:
        """SUBSCRIBE; the codes of SUBACK. Raises ValueError where one cannot be a filter, aiomqtt.MqttError."""
        if self._clock() < self._careful_until:
            async with self._turn:
                return await self._ask_now(names)
        return await self._ask_now(names)

    async def _ask_now(self, names: Sequence[str]) -> list[int]:
        numbers = [self._remember(sent_filter(name)) for name in names]
        try:
            with self._must_answer("SUBSCRIBE"):
                if self._is_v5:
                    # Without the gateway's own messages and without retained ones: neither is ever a request.
                    options = SubscribeOptions(qos=1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
                    codes = await self._client.subscribe(
                        [(name, options) for name in names], timeout=self._ack_timeout_s
                    )
                else:
                    codes = await self._client.subscribe([(name, 1) for name in names], timeout=self._ack_timeout_s)
        except ValueError:
            for number in numbers:
                self._unanswered.pop(number, None)
            raise
        self._has_answered_filter = True
        self._note_answer(numbers[-1])
        return [code_number(code) for code in codes]


def _fitted(message: MqttMessage, limits: BrokerLimits) -> MqttMessage:
    """The message with no more QoS and retain than the broker allows."""
    if message.qos <= limits.maximum_qos and (limits.is_retain_available or not message.retain):
        return message
    return replace(
        message,
        qos=min(message.qos, limits.maximum_qos),
        retain=message.retain and limits.is_retain_available,
    )


def _raise_refusal(code: int) -> None:
    """Raise MessageRefusedError where the code of a PUBACK is one of failure (MQTT 5)."""
    if code >= FIRST_FAILURE:
        raise MessageRefusedError(_code_text(code, PacketTypes.PUBACK), is_final=code in _REFUSED_FOR_GOOD)


def _code_text(code: int, packet: int) -> str:
    try:
        name = ReasonCode(packet, identifier=code)
    except (KeyError, AssertionError):
        return f"the broker refuses it (code {code})"
    return f"the broker refuses it: {name} (code {code})"


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
