"""The cloud's REST side is away for long; when it is back, every message is there once and in order.

The events are written to the store as the lock package does it: 2,000 openings over the simulated radio would take as
long as 2,000 openings. AWAY_EVENTS sets another number.
"""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewayd.model.api_time import format_api_time
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, Route
from gatewayd.model.record import LockParam, Record
from gatewayd.simulator.environment import OWNER
from tests.common.sync import ZONE, gateway_and_cloud

EVENTS = int(os.environ.get("AWAY_EVENTS", "2000"))
LOCKS = [Uuid(f"00158d0003b0000{number}") for number in range(4)]
START = datetime(2026, 11, 1, tzinfo=UTC)


def opening(number: int) -> MessageItem:
    """The message of an opening; each fifth of a lock has the time of the one before it, and so looks like it."""
    lock = LOCKS[number % len(LOCKS)]
    group, place = divmod(number // len(LOCKS), 5)
    at = START + timedelta(seconds=4 * group + min(place, 3))
    return MessageItem(
        uuid=lock,
        message_type="operation_info",
        flag="card_unlock",
        level=1,
        occur_time=format_api_time(at, ZONE),
        ordinal=2 if place == 4 else 1,
    )


async def test_messages_of_cloud_outage_are_sent_once_and_in_order(tmp_path: Path) -> None:
    async with gateway_and_cloud(tmp_path) as both:
        for lock in LOCKS:
            record = Record(uuid=lock, category=Category.LOCK, title="门", param=LockParam(status=1))
            await both.store.mirror.put(record)
        both.cloud.faults.fail("/", status=503, times=1_000_000)
        for start in range(0, EVENTS, 100):
            await both.store.outbox.add(*(opening(number) for number in range(start, min(start + 100, EVENTS))))
        async with asyncio.timeout(60):
            while "timestamp" not in str(both.sender.trouble):
                await asyncio.sleep(0.01)
        requests_before = len(both.cloud.requests)
        both.cloud.faults.clear()
        for _ in range(5):
            both.cloud.faults.cut_after("/api/iot/patch/")  # executed, and not answered
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(600):
            while (await both.store.outbox.depth())[Route.REST]:
                await asyncio.sleep(0.01)
        took = asyncio.get_running_loop().time() - began
        calls = len(both.cloud.requests) - requests_before
        print(f"{EVENTS} openings: sent in {took:.2f} s, {calls} calls")  # noqa: T201

        messages = both.cloud.messages()
        ids = {record["uuid"]: record["id"] for record in both.cloud.records(OWNER)}
        expected = Counter((ids[item.uuid], item.occur_time) for item in map(opening, range(EVENTS)))
        assert Counter((message["info_id"], message["occur_time"]) for message in messages) == expected
        for lock in LOCKS:
            times = [str(message["occur_time"]) for message in messages if message["info_id"] == ids[lock]]
            assert times == sorted(times)
        assert await both.store.outbox.dead_letters() == ()
