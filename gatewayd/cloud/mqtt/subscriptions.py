"""The topic filters of one connection: subscribes, and asks again for what the broker refuses."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import structlog
from paho.mqtt.client import topic_matches_sub
from paho.mqtt.subscribeoptions import SubscribeOptions

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.mqtt.broker_trouble import BrokerTrouble, suback_reason
from gatewayd.cloud.mqtt.client import FIRST_FAILURE, MqttClient, code_number
from gatewayd.cloud.mqtt.poison_messages import PoisonMessages, sent_filter
from gatewayd.cloud.mqtt.sent_packets import SentPackets

log = structlog.get_logger()

_MAX_FILTERS: Final = 50  # in one SUBSCRIBE or UNSUBSCRIBE
_MAX_FILTER_BYTES: Final = 16 * 1024
_FILTER_OVERHEAD: Final = 3  # length and options of one filter
_SUBSCRIBE_OVERHEAD: Final = 16
_SUBSCRIBE_BACKOFF: Final = Backoff(first_s=2.0, longest_s=300.0)


class Subscriptions:
    """What is subscribed on a connection that stands. What the broker refuses stands in its `BrokerTrouble`.

    The broker does not send the gateway's own messages back (MQTT 5) but on the topic `echoed`: that they come back
    there shows that it delivers.
    """

    def __init__(
        self,
        client: MqttClient,
        sent: SentPackets,
        *,
        is_v5: bool,
        trouble: BrokerTrouble,
        poison: PoisonMessages,
        echoed: str,
        ack_timeout_s: float,
    ) -> None:
        self._client = client
        self._echoed = echoed
        self._limits = client.limits
        self._sent = sent
        self._is_v5 = is_v5
        self._trouble = trouble
        self._poison = poison
        self._ack_timeout_s = ack_timeout_s
        self._clock = asyncio.get_running_loop().time
        self._subscribing = asyncio.Lock()
        self._has_refused = asyncio.Event()
        self.filters: frozenset[str] = frozenset()
        self.are_answered = False
        """True once the broker has answered the first."""

    @property
    def may_have_wildcards(self) -> bool:
        """False where the broker has no wildcard subscriptions (MQTT 5)."""
        return self._limits.are_wildcards_available

    @property
    def echoed(self) -> str | None:
        """The topic whose messages come back, where the broker has granted that; else None."""
        granted = self.filters - self._trouble.filters.keys()
        return self._echoed if any(topic_matches_sub(name, self._echoed) for name in granted) else None

    def comes_back(self, topic: str) -> bool:
        """Whether the broker may send a message back that is published on `topic`."""
        return not self._is_v5 or topic.rpartition("/")[0] == self._echoed.rpartition("/")[0]

    async def set(self, filters: Iterable[str]) -> None:
        """Subscribe and unsubscribe so that the subscriptions are `filters`. Raises aiomqtt.MqttError.

        Those that the broker refuses are asked for again by `retry_refused`.
        """
        requested = frozenset(filters)
        async with self._subscribing:
            await self._subscribe(requested - self.filters)
            for chunk in self._chunks(sorted(self.filters - requested - self._trouble.filters.keys())):
                with self._sent.must_answer("UNSUBSCRIBE"):
                    await self._client.unsubscribe(list(chunk), timeout=self._ack_timeout_s)
            for name in self._trouble.filters.keys() - requested:
                del self._trouble.filters[name]
            self.filters = requested
        if not self.are_answered:
            log.info("mqtt_subscribed", count=len(requested), refused=len(self._trouble.filters))
        self.are_answered = True

    async def retry_refused(self) -> None:
        """Ask for refused subscriptions again, ever less often, until cancelled. Raises aiomqtt.MqttError."""
        retries = Retries(_SUBSCRIBE_BACKOFF)
        while True:
            await self._has_refused.wait()
            await asyncio.sleep(retries.next_pause_s())
            async with self._subscribing:
                await self._subscribe(self.filters & self._trouble.filters.keys())
                if not self._trouble.filters:
                    self._has_refused.clear()
                    retries.reset()

    async def _subscribe(self, filters: Iterable[str]) -> None:
        for chunk in self._chunks(sorted(filters, key=lambda name: (self._poison.is_suspected(name), name))):
            await self._subscribe_chunk(chunk)
        if self._trouble.filters:
            self._has_refused.set()

    def _chunks(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """As many filters as one packet may have; one each on a careful connection."""
        room = min(_MAX_FILTER_BYTES, self._limits.maximum_packet_size or _MAX_FILTER_BYTES) - _SUBSCRIBE_OVERHEAD
        most = 1 if self._sent.is_careful else _MAX_FILTERS
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
        self._trouble.note_filters({name: refusal.reason for name, refusal in beforehand.items() if refusal})
        asked = [name for name, refusal in beforehand.items() if refusal is None]
        if not asked:
            return
        try:
            codes = await self._ask_in_turn(asked)
        except ValueError as error:  # one of them cannot be a filter
            if len(asked) == 1:
                self._trouble.note_filters({asked[0]: str(error)})
            else:
                for name in asked:
                    await self._subscribe_chunk([name])
            return
        codes += [FIRST_FAILURE] * (len(asked) - len(codes))  # a SUBACK that is too short
        self._trouble.note_filters({name: suback_reason(code) for name, code in zip(asked, codes, strict=False)})

    async def _ask_in_turn(self, names: Sequence[str]) -> list[int]:
        """SUBSCRIBE; the codes of SUBACK. Raises ValueError where one cannot be a filter, aiomqtt.MqttError."""
        if self._sent.is_careful:
            async with self._sent.turn:
                return await self._ask(names)
        return await self._ask(names)

    async def _ask(self, names: Sequence[str]) -> list[int]:
        numbers = [self._sent.note_sent(sent_filter(name)) for name in names]
        try:
            with self._sent.must_answer("SUBSCRIBE"):
                if self._is_v5:
                    codes = await self._client.subscribe(
                        [(name, self._options(name)) for name in names], timeout=self._ack_timeout_s
                    )
                else:
                    codes = await self._client.subscribe([(name, 1) for name in names], timeout=self._ack_timeout_s)
        except ValueError:
            for number in numbers:
                self._sent.forget(number)
            raise
        self._sent.note_answer(numbers[-1])
        return [code_number(code) for code in codes]

    def _options(self, name: str) -> SubscribeOptions:
        """Without the gateway's own messages but for the echo, and without retained ones: neither is ever a request."""
        return SubscribeOptions(
            qos=1,
            noLocal=not topic_matches_sub(name, self._echoed),
            retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND,
        )
