"""The cloud's REST side is gone while the house goes on, for long; then it is back, and everything is there once.

The events go into the store as the locks' room puts them there: 2,000 openings over the simulated radio would take as
long as 2,000 openings. AWAY_EVENTS makes more of them.
"""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewayd.model.api_time import write_time
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, Route
from gatewayd.model.record import LockParam, Record
from tests.common.sync import ZONE, both_ends

EVENTS = int(os.environ.get("AWAY_EVENTS", "2000"))
DOORS = [Uuid(f"00158d0003b0000{number}") for number in range(4)]
START = datetime(2026, 11, 1, tzinfo=UTC)


def opening(number: int) -> MessageItem:
    """The door opens; now and then twice in a second, so that two look alike."""
    door = DOORS[number % len(DOORS)]
    second, again = divmod(number // len(DOORS), 5)
    at = START + timedelta(seconds=4 * second + min(again, 3))
    return MessageItem(
        uuid=door,
        message_type="operation_info",
        flag="card_unlock",
        level=1,
        occur_time=write_time(at, ZONE),
        ordinal=2 if again == 4 else 1,
    )


async def test_two_thousand_openings_while_the_cloud_is_away_are_all_there_once_and_in_order(tmp_path: Path) -> None:
    async with both_ends(tmp_path) as both:
        for door in DOORS:
            record = Record(uuid=door, category=Category.LOCK, title="门", param=LockParam(status=1))
            await both.store.mirror.put(record)
        both.cloud.faults.fail("/", status=503, times=1_000_000)
        for start in range(0, EVENTS, 100):
            await both.store.outbox.add(*(opening(number) for number in range(start, min(start + 100, EVENTS))))
        async with asyncio.timeout(60):
            while "timestamp" not in str(both.sender.trouble):
                await asyncio.sleep(0.01)
        asked = len(both.cloud.requests)
        both.cloud.faults.clear()
        for _ in range(5):
            both.cloud.faults.cut_after("/api/iot/patch/")  # taken, and the answer never came
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(600):
            while (await both.store.outbox.depth())[Route.REST]:
                await asyncio.sleep(0.01)
        took = asyncio.get_running_loop().time() - began
        calls = len(both.cloud.requests) - asked
        print(f"{EVENTS} openings: told in {took:.2f} s, {calls} calls")  # noqa: T201

        told = both.cloud.messages()
        ids = {record["uuid"]: record["id"] for record in both.cloud.records("18900000001")}
        happened = Counter((ids[due.uuid], due.occur_time) for due in map(opening, range(EVENTS)))
        assert Counter((message["info_id"], message["occur_time"]) for message in told) == happened
        for door in DOORS:
            times = [str(message["occur_time"]) for message in told if message["info_id"] == ids[door]]
            assert times == sorted(times)
        assert await both.store.outbox.dead_letters() == ()
