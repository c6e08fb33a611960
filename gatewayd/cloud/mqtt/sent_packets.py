"""What was sent on a connection and has no answer yet: whether the broker answers, and what it may have ended for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Final

import aiomqtt

from gatewayd.cloud.mqtt.broker_trouble import BrokerSilentError
from gatewayd.cloud.mqtt.poison_messages import ConnectionEnd, PoisonMessages, SentPacket

_MAX_UNANSWERED: Final = 256  # are remembered, the newest
_CAREFUL_S: Final = 30.0
_BLAMED_FOR_S: Final = 5.0  # a broker closes at once what it closes for a message


class SentPackets:
    """The packets of one connection, numbered in the order in which they were sent.

    While `is_careful`, one packet at a time is sent, by whoever holds `turn`.
    """

    def __init__(self, poison: PoisonMessages, *, ack_timeout_s: float) -> None:
        self._poison = poison
        self._ack_timeout_s = ack_timeout_s
        self._clock = asyncio.get_running_loop().time
        self._was_careful = poison.is_careful
        self._careful_until = self._clock() + (_CAREFUL_S if poison.is_careful else 0.0)
        self._unanswered: dict[int, tuple[SentPacket, float]] = {}  # and when it was sent
        self._overdue_since: float | None = None
        self._has_answered_message = False
        self._has_answered_filter = False
        self.turn = asyncio.Lock()
        self.last = 0
        """The number of the newest packet."""
        self.answered_at = self._clock()
        """When the broker last answered anything (the loop's clock)."""

    @property
    def is_careful(self) -> bool:
        """Whether the last connection ended for something that was sent: then one packet at a time is, for a while."""
        return self._clock() < self._careful_until

    @property
    def is_answered(self) -> bool:
        """False while an answer is overdue and none has come since."""
        return self._overdue_since is None

    def note_sent(self, packet: SentPacket) -> int:
        """A packet was sent; returns its number."""
        self.last += 1
        self._unanswered[self.last] = packet, self._clock()
        if len(self._unanswered) > _MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        return self.last

    def note_answer(self, number: int) -> None:
        """The broker has answered packet `number`. It reads packets in order: it has taken the earlier ones, too."""
        self.answered_at, self._overdue_since = self._clock(), None
        for place in list(takewhile(lambda place: place <= number, self._unanswered)):
            packet, _ = self._unanswered.pop(place)
            self._poison.note_answered(packet)
            if packet.is_filter:
                self._has_answered_filter = True
            else:
                self._has_answered_message = True

    def note_overdue(self) -> None:
        """An answer has not come within the bound."""
        self._overdue_since = self._overdue_since or self._clock()

    def forget(self, number: int) -> None:
        """Packet `number` ends no connection."""
        self._unanswered.pop(number, None)

    @contextmanager
    def must_answer(self, packet: str) -> Iterator[None]:
        """Translate aiomqtt's timeout of SUBSCRIBE and UNSUBSCRIBE. Raises BrokerSilentError."""
        try:
            yield
        except aiomqtt.MqttCodeError:
            raise
        except aiomqtt.MqttError as error:
            self.note_overdue()
            raise BrokerSilentError(f"the broker has not answered {packet} in {self._ack_timeout_s:g} s") from error

    def end(self, code: int | None) -> ConnectionEnd:
        """What is known about the end of this connection, for `PoisonMessages`; `code` is that of DISCONNECT."""
        earliest = self._clock() - _BLAMED_FOR_S
        return ConnectionEnd(
            tuple(packet for packet, at in self._unanswered.values() if at >= earliest),
            self._has_answered_message,
            self._has_answered_filter,
            self._was_careful,
            code,
        )
