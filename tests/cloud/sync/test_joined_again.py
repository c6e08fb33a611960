"""A device that leaves and comes back while the cloud does not listen: it is there at the end, once, by its new id."""

import asyncio

from msgspec.structs import replace

from gatewayd.model.change import Change
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from tests.common.sync import AIR, DOOR, OWNER, Both, now


async def left_and_joined(both: Both) -> None:
    """AIR is removed and joins again; the cloud has its record under the old id still."""
    air = both.mine(AIR)
    await both.store.mirror.remove(AIR, RemovalItem(uuid=AIR, id=air.id))
    await both.store.mirror.put(replace(air, id=None, user_id=None), RecordItem(uuid=AIR))


async def assert_linked_once(both: Both, old_id: int | None) -> None:
    await both.drained()
    assert set((await both.synced()).values()) == {None}
    assert [record["uuid"] for record in both.cloud.records(OWNER)].count(AIR) == 1
    assert (both.mine(AIR).unlinked, both.mine(AIR).id) == (False, both.theirs(AIR)["id"])
    assert both.mine(AIR).id != old_id


async def test_a_pull_between_its_leaving_and_the_clouds_hearing_of_it_does_not_unlink_it(both: Both) -> None:
    old_id = both.mine(AIR).id
    both.cloud.faults.fail(f"/api/iot/iot_manage_view/{old_id}/", status=503, times=3)
    await left_and_joined(both)
    await both.synced()
    await assert_linked_once(both, old_id)


async def test_a_reading_that_still_waited_does_not_unlink_it(both: Both) -> None:
    old_id = both.mine(AIR).id
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)
    await both.store.outbox.add(RecordItem(uuid=DOOR))  # the uplink is busy with this one meanwhile
    await asyncio.sleep(0.05)
    both.store.mirror.report(AIR, (Change("temperature", 9.0),), now())
    await both.store.mirror.flush()
    await left_and_joined(both)
    await assert_linked_once(both, old_id)


async def test_what_it_said_before_it_left_is_told_before_its_record_goes(both: Both) -> None:
    old_id = both.mine(AIR).id
    both.cloud.faults.fail("/", status=503, times=10_000)
    rang = MessageItem(uuid=AIR, message_type="t", flag="smoke", level=3, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(rang)
    await left_and_joined(both)
    async with asyncio.timeout(10):
        while both.sender.trouble is None:
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()
    await assert_linked_once(both, old_id)
    calls = [f"{method} {path.split('/')[3]}" for method, path, status in both.cloud.requests if status == 200]
    assert calls.index("POST messages") < calls.index("DELETE iot_manage_view")
