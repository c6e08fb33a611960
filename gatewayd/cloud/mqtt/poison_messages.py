"""Finds the message (or topic filter) at which the broker closes the connection, so that the others get through. Pure.

A broker need not say what it closes a connection for: a packet above its limit, a topic that it forbids. After such an
end the next connection is careful: it sends one message at a time. A message that waited for the broker's answer when
two such connections ended, while the broker took others, is poison: it is refused from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gatewayd.cloud.mqtt.client import MqttMessage

_ENDS_TO_BLAME: Final = 2
_REFUSED_FOR_S: Final = 3600.0  # then it is tried again: the broker's limits may have changed
_MAX_SUSPECTS: Final = 200

_BLAMES_PACKET: Final = frozenset({129, 130, 149, 153, 154, 155})
"""Reason codes of DISCONNECT for one packet: malformed, protocol error, too large, payload, retain, QoS."""
_BLAMES_TOPIC: Final = frozenset({135, 143, 144, 158, 161, 162})
"""Not authorized, topic filter invalid, topic name invalid; kinds of subscriptions that the broker has not."""
_BLAMES_NOTHING_SENT: Final = frozenset({137, 139, 141, 142, 150, 151, 152, 156, 157, 159, 160})
"""Busy, shutting down, keep-alive, taken over, rate, quota, administrator, other server (2), rate, connect time."""


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A message or a topic filter that was sent. `content` tells messages of one topic apart; None: all are alike."""

    topic: str
    size: int
    content: int | None = None
    is_filter: bool = False

    @property
    def key(self) -> tuple[str, int | None, bool]:
        """What is the same when it is sent again."""
        return self.topic, self.content, self.is_filter


def sent_message(message: MqttMessage, size: int) -> SentPacket:
    """A retained message is a state: on its topic there is one at a time, whatever it says."""
    return SentPacket(message.topic, size, None if message.retain else hash(message.payload))


def sent_filter(name: str) -> SentPacket:
    """A topic filter of a SUBSCRIBE."""
    return SentPacket(name, len(name), is_filter=True)


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """How a connection ended: what the broker had not answered by then, and whether it had answered any message and
    any filter. `code` is that of its DISCONNECT.
    """

    unanswered: Sequence[SentPacket]
    has_answered_message: bool
    has_answered_filter: bool
    was_careful: bool
    code: int | None = None


@dataclass(frozen=True, slots=True)
class PacketRefusal:
    """Why a packet of at least `min_size` bytes (0: of any size) is not sent before the moment `until`."""

    min_size: int
    reason: str
    until: float

    @property
    def is_for_size(self) -> bool:
        """Whether a smaller packet may be sent."""
        return self.min_size > 0


class PoisonMessages:
    """What ended connections. `is_careful`: the next connection sends one message at a time."""

    def __init__(self) -> None:
        self.is_careful = False
        self._ends: dict[tuple[str, int | None, bool], int] = {}
        self._refused: dict[tuple[str, int | None, bool], PacketRefusal] = {}

    def note_end(self, end: ConnectionEnd, now: float) -> SentPacket | None:
        """A connection ended, not by us; `now` in seconds. Returns the message that is refused from now on, if any."""
        self.is_careful = bool(end.unanswered) and end.code not in _BLAMES_NOTHING_SENT
        if not self.is_careful or not end.was_careful or len(end.unanswered) != 1:
            return None
        (suspect,) = end.unanswered
        while len(self._ends) >= _MAX_SUSPECTS:
            del self._ends[next(iter(self._ends))]
        ends = self._ends[suspect.key] = self._ends.pop(suspect.key, 0) + 1
        takes_others = end.has_answered_filter if suspect.is_filter else end.has_answered_message
        is_told = end.code in _BLAMES_PACKET | _BLAMES_TOPIC or suspect.key in self._refused  # the larger was at fault
        if not takes_others or (ends < _ENDS_TO_BLAME and not is_told):
            return None
        self._refused = {key: refusal for key, refusal in self._refused.items() if now < refusal.until}
        del self._ends[suspect.key]
        min_size = 0 if suspect.is_filter or end.code in _BLAMES_TOPIC else suspect.size
        said = "" if end.code is None else f", with code {end.code}"
        reason = f"the broker closes the connection when it gets this ({suspect.size} bytes){said}"
        self._refused[suspect.key] = PacketRefusal(min_size, reason, now + _REFUSED_FOR_S)
        return suspect

    def note_answered(self, packet: SentPacket) -> None:
        """The broker took it: it ended nothing. A larger state on the same topic still may have."""
        self._ends.pop(packet.key, None)
        if (found := self._refused.get(packet.key)) is not None and packet.size >= found.min_size:
            del self._refused[packet.key]

    def refusal(self, packet: SentPacket, now: float) -> PacketRefusal | None:
        """Why it must not be sent; None where it may. A smaller state on the same topic may."""
        found = self._refused.get(packet.key)
        return found if found is not None and now < found.until and packet.size >= found.min_size else None

    def forget(self, packet: SentPacket) -> None:
        """The message is settled: unless it is a state, it is not sent again before somebody asks for that."""
        if packet.content is not None:
            self._refused.pop(packet.key, None)

    def is_suspected(self, topic: str) -> bool:
        """True for a topic or filter at which a connection ended: it is sent after the others."""
        return any(key[0] == topic for key in self._ends)
