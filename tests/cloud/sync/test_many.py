"""A thousand devices and ten thousand messages are read page by page, in memory that does not grow with them."""

import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.messages import CloudMessage
from gatewayd.model.ids import Uuid
from tests.common.sync import OWNER, SENSOR, GatewayAndCloud

DEVICES, MESSAGES = 1000, 10_000
MAX_BYTES = 1 << 18
"""Memory that gatewayd.cloud may allocate while it reads a list: a page and its rows, not the whole list."""


async def measure(rows: AsyncIterator[Any]) -> tuple[int, int]:
    """The number of rows, and the most bytes that gatewayd.cloud had allocated while they were read."""
    tracemalloc.start()
    before, count, most = allocated_by_cloud(), 0, 0
    async for _ in rows:
        count += 1
        if count % 497 == 0:  # at a different row of the page each time
            most = max(most, allocated_by_cloud() - before)
    tracemalloc.stop()
    return count, most


def allocated_by_cloud() -> int:
    """Bytes allocated in gatewayd.cloud, without those of pytest and the simulated cloud."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/gatewayd/cloud/*")])
    return sum(trace.size for trace in snapshot.traces)


async def test_messages_are_listed_page_by_page(both: GatewayAndCloud) -> None:
    info_id = both.local(SENSOR).id
    first = CloudMessage(info_id=info_id, message_type="t", flag="f", occur_time="2026-11-24 08:00:00")
    await both.client.messages.create(first)
    (row,) = both.cloud.messages()
    del row["id"]
    for _ in range(MESSAGES - 1):
        both.cloud.state.db.add("messages", row)
    count, most = await measure(both.client.messages.list())
    assert count == MESSAGES
    assert most < MAX_BYTES


async def test_thousand_records_are_synced_page_by_page(both: GatewayAndCloud) -> None:
    sensor = both.local(SENSOR)
    devices = [replace(sensor, uuid=Uuid(f"00158d00dd{number:06x}"), id=None) for number in range(DEVICES)]
    for start in range(0, DEVICES, 100):
        parts = [RestCall.create_record(device) for device in devices[start : start + 100]]
        assert all(outcome.error is None for outcome in await both.client.batch.send(parts))
    for device in devices:
        await both.store.mirror.put(replace(device, title="这里的"))
    count, most = await measure(both.client.records.list_json())
    assert count == len(both.cloud.records(OWNER)) == DEVICES + 3
    assert most < MAX_BYTES
    assert set((await both.run_sync()).values()) == {None}
    (record_step,) = [step for step in both.sync.progress.steps if step.name == "record"]
    assert (record_step.received, record_step.changed) == (DEVICES + 3, DEVICES)
    await both.wait_until_sent()
    linked = [both.local(device.uuid) for device in devices]
    assert {record.title for record in linked} == {sensor.title}
    assert all(record.id is not None for record in linked)
