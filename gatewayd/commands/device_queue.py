"""The requests of one device, executed one at a time: the owner's first, control before query, each user his share."""

import asyncio
import heapq
from collections import Counter
from enum import IntEnum
from itertools import count
from typing import Final

from gatewayd.model.errors import RefusedError
from gatewayd.model.request import Query, Request
from gatewayd.model.status import OperationStatus

MAX_QUEUED: Final = 16
"""Requests of the owner that may wait for one device."""

MAX_QUEUED_OF_A_GUEST: Final = 3
"""Requests of any other user that may wait for one device: a flood of one user's takes nobody else's place."""


class Priority(IntEnum):
    """The order in which waiting requests are executed; within one priority in the order in which they came."""

    OWNER = 0
    OWNER_QUERY = 1
    GUEST = 2
    GUEST_QUERY = 3


def priority_of(request: Request, *, is_owner: bool) -> Priority:
    """The priority of a request."""
    if isinstance(request.action, Query):
        return Priority.OWNER_QUERY if is_owner else Priority.GUEST_QUERY
    return Priority.OWNER if is_owner else Priority.GUEST


class DeviceQueue:
    """A lock with priorities and shares."""

    def __init__(self) -> None:
        self._is_busy = False
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._users: Counter[str] = Counter()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is executed and nothing waits."""
        return not self._is_busy and not self._users

    async def acquire(self, user: str, priority: Priority, deadline: float) -> bool:
        """Wait until it is this request's turn; False where that does not come before `deadline` (loop time).

        Raises RefusedError where too many requests of this user wait already.
        """
        is_owner = priority in (Priority.OWNER, Priority.OWNER_QUERY)
        if self._users[user] >= (MAX_QUEUED if is_owner else MAX_QUEUED_OF_A_GUEST):
            raise RefusedError(f"too many requests of {user} wait for this device", OperationStatus.LIMIT_EXCEEDED)
        if not self._is_busy:
            self._is_busy = True
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), turn))
        self._users[user] += 1
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except TimeoutError:
            return self._has_turn(turn)
        except BaseException:
            if self._has_turn(turn):
                self.release()
            raise
        finally:
            self._users[user] -= 1
            self._users += Counter()  # drops what is zero
        return True

    def release(self) -> None:
        """The request has been executed: the next one's turn."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._is_busy = False

    @staticmethod
    def _has_turn(turn: asyncio.Future[None]) -> bool:
        """Whether the turn came as the waiting ended; else it never comes."""
        if turn.done() and not turn.cancelled():
            return True
        turn.cancel()
        return False
