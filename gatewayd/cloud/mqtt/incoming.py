"""Messages that the broker has sent and that nobody has taken yet: few enough, and no user's keep another's waiting."""

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Final

_MAX_BYTES: Final = 4 << 20  # of all messages that wait
_OVERHEAD: Final = 1024  # bytes that a message counts beside its payload: at most 4,096 wait


@dataclass(frozen=True, slots=True)
class ReceivedMqttMessage:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class IncomingMessages:
    """The messages that wait: each user's in their order, the users in turn. A topic's first level is its user.

    Where they would become more than is bounded, the newest of the user who has most of them waiting is dropped: a
    guest who floods the gateway loses his own requests, not the owner's.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[ReceivedMqttMessage]] = OrderedDict()
        self._bytes: Counter[str] = Counter()  # by user
        self._total = 0  # bytes
        self._dropped: Counter[str] = Counter()  # by user
        self._are_there = asyncio.Event()

    def put(self, message: ReceivedMqttMessage) -> None:
        """Add a message that has come."""
        user = _user_of(message)
        self._waiting.setdefault(user, deque()).append(message)
        self._bytes[user] += _size(message)
        self._total += _size(message)
        while self._total > _MAX_BYTES:
            self._drop_newest(self._bytes.most_common(1)[0][0])
        self._are_there.set()

    async def get(self) -> ReceivedMqttMessage:
        """Wait for a message, and take the oldest of the user whose turn it is. For one task."""
        await self._are_there.wait()
        user, messages = self._waiting.popitem(last=False)
        message = messages.popleft()
        if messages:
            self._waiting[user] = messages  # behind the others
        self._note_gone(user, message)
        return message

    def take_dropped(self) -> Counter[str]:
        """How many messages were dropped since the last call, by user."""
        dropped, self._dropped = self._dropped, Counter()
        return dropped

    def _drop_newest(self, user: str) -> None:
        messages = self._waiting[user]
        message = messages.pop()
        if not messages:
            del self._waiting[user]
        self._note_gone(user, message)
        self._dropped[user] += 1

    def _note_gone(self, user: str, message: ReceivedMqttMessage) -> None:
        self._bytes[user] -= _size(message)
        self._total -= _size(message)
        if user not in self._waiting:
            del self._bytes[user]
        if not self._waiting:
            self._are_there.clear()


def _user_of(message: ReceivedMqttMessage) -> str:
    return message.topic.partition("/")[0]


def _size(message: ReceivedMqttMessage) -> int:
    return len(message.payload) + len(message.topic) + _OVERHEAD
