"""A device that is removed and joins again before the cloud deletes its record is linked to one new record."""

import asyncio

from msgspec.structs import replace

from gatewayd.model.change import Change
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from tests.common.sync import LOCK, OWNER, SENSOR, GatewayAndCloud, now


async def remove_and_join(both: GatewayAndCloud) -> None:
    """Remove the sensor and let it join again; the cloud still has its old record."""
    sensor = both.local(SENSOR)
    await both.store.mirror.remove(SENSOR, RemovalItem(uuid=SENSOR, id=sensor.id))
    await both.store.mirror.put(replace(sensor, id=None, user_id=None), RecordItem(uuid=SENSOR))


async def assert_linked_once(both: GatewayAndCloud, old_id: int | None) -> None:
    await both.wait_until_sent()
    assert set((await both.run_sync()).values()) == {None}
    assert [record["uuid"] for record in both.cloud.records(OWNER)].count(SENSOR) == 1
    assert (both.local(SENSOR).unlinked, both.local(SENSOR).id) == (False, both.remote(SENSOR)["id"])
    assert both.local(SENSOR).id != old_id


async def test_sync_between_removal_and_its_delivery_does_not_unlink_the_new_record(both: GatewayAndCloud) -> None:
    old_id = both.local(SENSOR).id
    both.cloud.faults.fail(f"/api/iot/iot_manage_view/{old_id}/", status=503, times=3)
    await remove_and_join(both)
    await both.run_sync()
    await assert_linked_once(both, old_id)


async def test_queued_report_does_not_unlink_the_new_record(both: GatewayAndCloud) -> None:
    old_id = both.local(SENSOR).id
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)
    await both.store.outbox.add(RecordItem(uuid=LOCK))  # keeps the sender busy meanwhile
    await asyncio.sleep(0.05)
    both.store.mirror.report(SENSOR, (Change("temperature", 9.0),), now())
    await both.store.mirror.flush()
    await remove_and_join(both)
    await assert_linked_once(both, old_id)


async def test_message_from_before_the_removal_is_sent_before_the_old_record_is_deleted(both: GatewayAndCloud) -> None:
    old_id = both.local(SENSOR).id
    both.cloud.faults.fail("/", status=503, times=10_000)
    message = MessageItem(uuid=SENSOR, message_type="t", flag="smoke", level=3, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(message)
    await remove_and_join(both)
    async with asyncio.timeout(10):
        while both.sender.trouble is None:
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()
    await assert_linked_once(both, old_id)
    calls = [f"{method} {path.split('/')[3]}" for method, path, status in both.cloud.requests if status == 200]
    assert calls.index("POST messages") < calls.index("DELETE iot_manage_view")
