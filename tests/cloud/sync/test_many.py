"""A thousand devices and ten thousand messages: page by page, in memory that does not grow with them."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from gatewayd.cloud.rest.batch import BatchPart
from gatewayd.cloud.rest.messages import CloudMessage
from gatewayd.model.ids import Uuid
from tests.common.sync import AIR, OWNER, Both

DEVICES, MESSAGES = 1000, 10_000
MOST = 1 << 18
"""Bytes that gatewayd.cloud may hold at any moment, above what it held before: a page and its rows, not the list."""


async def held_over(rows: AsyncIterator[Any]) -> tuple[int, int]:
    """(rows, bytes): how many there were, and the most memory that was held while they were walked."""
    tracemalloc.start()
    before, count, held = held_by_the_cloud(), 0, 0
    async for _ in rows:
        count += 1
        if count % 497 == 0:  # at another place of the page each time
            held = max(held, held_by_the_cloud() - before)
    tracemalloc.stop()
    return count, held


def held_by_the_cloud() -> int:
    """Bytes allocated in that room; pytest and the simulated cloud keep books of their own."""
    gc.collect()
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/gatewayd/cloud/*")])
    return sum(trace.size for trace in ours.traces)


async def test_messages_come_in_pages(both: Both) -> None:
    info_id = both.mine(AIR).id
    first = CloudMessage(info_id=info_id, message_type="t", flag="f", occur_time="2026-11-24 08:00:00")
    await both.client.messages.create(first)
    (row,) = both.cloud.messages()
    del row["id"]
    for _ in range(MESSAGES - 1):
        both.cloud.state.db.add("messages", row)
    count, held = await held_over(both.client.messages.list())
    assert count == MESSAGES
    assert held < MOST


async def test_a_thousand_devices_are_synced_in_pages_and_linked(both: Both) -> None:
    air = both.mine(AIR)
    devices = [replace(air, uuid=Uuid(f"00158d00dd{number:06x}"), id=None) for number in range(DEVICES)]
    for start in range(0, DEVICES, 100):
        parts = [BatchPart.create_record(device) for device in devices[start : start + 100]]
        assert all(outcome.error is None for outcome in await both.client.batch.send(parts))
    for device in devices:
        await both.store.mirror.put(replace(device, title="这里的"))
    count, held = await held_over(both.client.records.wires())
    assert count == len(both.cloud.records(OWNER)) == DEVICES + 3
    assert held < MOST
    assert set((await both.synced()).values()) == {None}
    (record_step,) = [step for step in both.sync.progress.steps if step.name == "record"]
    assert (record_step.seen, record_step.changed) == (DEVICES + 3, DEVICES)
    await both.drained()
    linked = [both.mine(device.uuid) for device in devices]
    assert {record.title for record in linked} == {air.title}
    assert all(record.id is not None for record in linked)
