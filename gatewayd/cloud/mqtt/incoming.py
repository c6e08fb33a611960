"""The messages that wait to be taken: the owner's first, each user's in order, few and short enough for the memory.

aiomqtt's own queue has no bound, or drops whatever comes last, the owner's unlock too.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import aiomqtt
import structlog

from gatewayd.cloud.mqtt.message_limit import MessageLimit
from gatewayd.refusal_log import cut

log = structlog.get_logger()

MAX_WAITING: Final = 1_000
"""Messages that wait, of the owner and of all others each."""

MAX_WAITING_BYTES: Final = 8 << 20
"""Bytes of their payloads, likewise."""


class IncomingLimit:
    """Applies a `MessageLimit` by the loop's clock over all connections, and tells who is muted.

    `counters`: `over_limit`, messages that were not read.
    """

    def __init__(self, limit: MessageLimit) -> None:
        self._limit = limit
        self._muted: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self.counters: Counter[str] = Counter()

    def is_owner(self, user: str) -> bool:
        """Whether `user` is the owner."""
        return self._limit.is_owner(user)

    def admit(self, user: str) -> bool:
        """Count a message of `user`; whether it is to be read."""
        now = asyncio.get_running_loop().time()
        is_admitted = self._limit.admit(user, now)
        if not is_admitted:
            self.counters["over_limit"] += 1
            if user not in self._muted and user in self._limit.muted(now):
                self._note(now)
        return is_admitted

    def muted(self) -> frozenset[str]:
        """The users to whose topics the gateway is not to listen now."""
        self._note(asyncio.get_running_loop().time())
        return self._muted

    async def next_muted(self, known: frozenset[str]) -> frozenset[str]:
        """Wait until others than `known` are muted, and return those."""
        clock = asyncio.get_running_loop().time
        while self.muted() == known:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._limit.next_end(clock())):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return self._muted

    def _note(self, now: float) -> None:
        muted = self._limit.muted(now)
        for user in muted - self._muted:
            log.warning("user_muted", user=cut(user), reason="he sends more requests than any app does")
        for user in self._muted - muted:
            log.info("user_no_longer_muted", user=cut(user))
        if muted != self._muted:
            self._muted = muted
            self._changed.set()


class IncomingMessages(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt's queue of one connection. `is_own` tells the gateway's own messages, which are left out."""

    def __init__(
        self,
        maxsize: int = 0,
        *,
        limit: IncomingLimit,
        is_own: Callable[[aiomqtt.Message], bool] = lambda _message: False,
    ) -> None:
        self._limit = limit
        self._is_own = is_own
        self._of_owner: deque[aiomqtt.Message] = deque()
        self._of_others: deque[aiomqtt.Message] = deque()
        self._bytes = {True: 0, False: 0}
        super().__init__(maxsize)

    def qsize(self) -> int:
        """How many wait."""
        return len(self._of_owner) + len(self._of_others)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self.qsize()

    # asyncio.Queue calls these; its own subclasses override them likewise.

    def _put(self, item: aiomqtt.Message) -> None:
        if self._is_own(item):
            return
        user = item.topic.value.partition("/")[0]
        if not self._limit.admit(user):
            return
        is_owner = self._limit.is_owner(user)
        waiting, size = self._queue_of(is_owner=is_owner), len(item.payload)
        if len(waiting) >= MAX_WAITING or self._bytes[is_owner] + size > MAX_WAITING_BYTES:
            self._limit.counters["over_limit"] += 1
            return
        waiting.append(item)
        self._bytes[is_owner] += size

    def _get(self) -> aiomqtt.Message:
        is_owner = bool(self._of_owner)
        message = self._queue_of(is_owner=is_owner).popleft()
        self._bytes[is_owner] -= len(message.payload)
        return message

    def _queue_of(self, *, is_owner: bool) -> deque[aiomqtt.Message]:
        return self._of_owner if is_owner else self._of_others
