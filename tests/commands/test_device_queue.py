"""The order in which a device's requests are executed, and how many of one user may wait."""

import asyncio

import pytest

from gatewayd.commands.device_queue import MAX_QUEUED, MAX_QUEUED_OF_A_GUEST, DeviceQueue, Priority
from gatewayd.model.errors import RefusedError
from gatewayd.model.status import OperationStatus

OWNER, GUEST, OTHER = "owner", "guest", "other"


class Executed:
    """A queue whose requests note when they are executed."""

    def __init__(self) -> None:
        self.queue = DeviceQueue()
        self.order: list[str] = []

    async def execute(self, name: str, user: str, priority: Priority, patience_s: float = 10) -> bool:
        deadline = asyncio.get_running_loop().time() + patience_s
        if not await self.queue.acquire(user, priority, deadline):
            return False
        self.order.append(name)
        await asyncio.sleep(0)
        self.queue.release()
        return True


async def test_owner_comes_first_and_control_before_query() -> None:
    executed = Executed()
    assert await executed.queue.acquire(GUEST, Priority.GUEST, 0)
    async with asyncio.TaskGroup() as tasks:
        for name, user, priority in (
            ("guest query", GUEST, Priority.GUEST_QUERY),
            ("guest", GUEST, Priority.GUEST),
            ("owner query", OWNER, Priority.OWNER_QUERY),
            ("owner 1", OWNER, Priority.OWNER),
            ("owner 2", OWNER, Priority.OWNER),
        ):
            tasks.create_task(executed.execute(name, user, priority))
        await asyncio.sleep(0)
        executed.queue.release()
    assert executed.order == ["owner 1", "owner 2", "owner query", "guest", "guest query"]
    assert executed.queue.is_idle


@pytest.mark.parametrize(
    ("user", "priority", "share"),
    [(OWNER, Priority.OWNER, MAX_QUEUED), (GUEST, Priority.GUEST_QUERY, MAX_QUEUED_OF_A_GUEST)],
)
async def test_request_above_a_users_share_is_refused_and_takes_nobody_elses_place(
    user: str, priority: Priority, share: int
) -> None:
    executed = Executed()
    assert await executed.queue.acquire(OTHER, Priority.GUEST, 0)
    async with asyncio.TaskGroup() as tasks:
        for number in range(share):
            tasks.create_task(executed.execute(str(number), user, priority))
        await asyncio.sleep(0)
        with pytest.raises(RefusedError) as refused:
            await executed.queue.acquire(user, priority, asyncio.get_running_loop().time() + 10)
        assert refused.value.status is OperationStatus.LIMIT_EXCEEDED
        tasks.create_task(executed.execute("other", OTHER, Priority.GUEST))
        await asyncio.sleep(0)
        executed.queue.release()
    assert len(executed.order) == share + 1


async def test_request_whose_turn_does_not_come_in_time_leaves_the_queue() -> None:
    executed = Executed()
    assert await executed.queue.acquire(GUEST, Priority.GUEST, 0)
    assert not await executed.execute("late", OWNER, Priority.OWNER, patience_s=0.01)
    executed.queue.release()
    assert executed.queue.is_idle
    assert await executed.execute("next", OWNER, Priority.OWNER)


async def test_cancelled_request_hands_its_turn_on() -> None:
    executed = Executed()
    assert await executed.queue.acquire(GUEST, Priority.GUEST, 0)
    first = asyncio.create_task(executed.execute("first", OWNER, Priority.OWNER))
    second = asyncio.create_task(executed.execute("second", OWNER, Priority.OWNER))
    await asyncio.sleep(0)
    executed.queue.release()
    first.cancel()  # in the moment in which its turn has come
    await asyncio.wait((first, second), timeout=5)
    assert second.done()
    assert executed.order == ["second"]
    assert executed.queue.is_idle
