"""What the cloud refuses: whose fault it is, what becomes of it, and that everything else goes on."""

import asyncio
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.change import Change
from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import MessageItem, NoticeItem, RecordItem
from gatewayd.model.record import Channel, Record, SwitchParam
from tests.common.small_disk import fill, four_megabytes, needs_root
from tests.common.sync import AIR, DOOR, OWNER, Both, both_ends, now

LAMP = Uuid("00158d0005000001")
OPENED = MessageItem(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")


async def test_nothing_is_given_up_while_the_cloud_does_not_let_the_gateway_in(both: Both) -> None:
    both.cloud.state.db.all("UPDATE accounts SET password = 'another', token = '' WHERE username = ?", OWNER)
    await both.store.outbox.add(OPENED)
    errors = await both.synced()
    assert all("Invalid credentials" in str(error) or "not tried" in str(error) for error in errors.values())
    assert not any(record.unlinked for record in both.store.mirror.all())
    assert [row.item for row in await both.store.outbox.rows()] == [OPENED]
    assert await both.store.outbox.dead_letters() == ()
    assert sum("login" in path for _, path, _ in both.cloud.requests) == 2  # the one at start, and one refused


async def in_a_room_that_is_none(both: Both) -> None:
    door = both.mine(DOOR)
    moved = replace(door, param=replace(door.param, room_id=4711), edited=("param.room_id",))
    await both.store.mirror.put(moved, RecordItem(uuid=DOOR))


async def reported(both: Both, battery: int) -> None:
    both.store.mirror.report(DOOR, (Change("battery", battery),), now())
    await both.store.mirror.flush()
    await both.drained()


async def test_a_change_that_the_cloud_refuses_is_taken_back_and_readings_go_on(both: Both) -> None:
    await in_a_room_that_is_none(both)
    await both.drained()
    await reported(both, 42)
    param = both.theirs(DOOR)["param"]
    assert isinstance(param, dict)
    assert (param["battery"], param["room_id"]) == (42, None)
    assert both.mine(DOOR).edited == ()
    await both.synced()
    assert both.mine(DOOR).param.room_id is None
    (letter,) = await both.store.outbox.dead_letters()
    assert "空间不存在" in letter.reason


async def test_a_device_whose_room_is_gone_is_made_known_without_it_and_its_messages_arrive(both: Both) -> None:
    door = both.mine(DOOR)
    assert door.id is not None
    await both.client.records.delete(door.id)
    await both.store.mirror.put(replace(door, id=None, param=replace(door.param, room_id=4711)))
    await both.store.outbox.add(OPENED)
    await both.drained()
    assert both.theirs(DOOR)["id"] == both.mine(DOOR).id
    assert [message["flag"] for message in both.cloud.messages()] == [OPENED.flag]


async def test_a_record_that_is_refused_again_and_again_is_kept_once(both: Both) -> None:
    refused = json.dumps({"msg": {}, "status": 400042, "desc": ""})
    both.cloud.faults.answer(f"/api/iot/iot_manage_view/{both.mine(DOOR).id}/", refused, times=3)
    for battery in (41, 42, 43):
        await reported(both, battery)
    (letter,) = await both.store.outbox.dead_letters()
    assert "权限不足" in letter.reason
    await reported(both, 44)
    param = both.theirs(DOOR)["param"]
    assert isinstance(param, dict)
    assert param["battery"] == 44


async def test_a_switch_that_the_cloud_has_no_longer_is_unlinked_like_any_other(both: Both) -> None:
    lamp = Record(uuid=LAMP, category=Category.SWITCH, title="灯", param=SwitchParam(channel=(Channel(id=1, value=0),)))
    await both.store.mirror.put(lamp, RecordItem(uuid=LAMP))
    await both.drained()
    id_ = both.mine(LAMP).id
    assert id_ is not None
    await both.client.records.delete(id_)
    await both.store.outbox.add(RecordItem(uuid=LAMP))
    await both.drained()
    assert both.mine(LAMP).unlinked
    assert await both.store.outbox.dead_letters() == ()


@pytest.mark.parametrize("status", [None, 400400, 400089])
async def test_a_cloud_that_fails_at_batches_is_told_everything_in_order(both: Both, status: int | None) -> None:
    answer = "<html>" if status is None else json.dumps({"msg": {}, "status": status, "desc": ""})
    both.cloud.faults.answer("/api/iot/patch/", answer, times=10_000)
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)  # the others gather meanwhile
    await both.store.outbox.add(RecordItem(uuid=DOOR))
    openings = [replace(OPENED, occur_time=f"2026-11-24 08:00:{second:02}") for second in range(20)]
    await both.store.outbox.add(*openings)
    await both.drained()
    assert [message["occur_time"] for message in both.cloud.messages()] == [one.occur_time for one in openings]


async def test_rows_that_the_cloud_chokes_on_keep_their_pace_though_a_batch_was_lost_before(both: Both) -> None:
    both.cloud.faults.cut_after("/api/iot/patch/")
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)
    await both.store.outbox.add(RecordItem(uuid=DOOR))
    await both.store.outbox.add(*(replace(OPENED, occur_time=f"2026-11-24 08:00:{n:02}") for n in range(20)))
    async with asyncio.timeout(10):
        while not any("patch" in path for _, path, _ in both.cloud.requests):
            await asyncio.sleep(0.01)
    both.cloud.faults.fail("/api/iot/iot_manage_view/", status=500, times=10_000)
    for record in both.store.mirror.all():
        await both.store.outbox.add(RecordItem(uuid=record.uuid))
    await asyncio.sleep(2)
    asked = [path for method, path, _ in both.cloud.requests if method == "PUT"]
    assert len(asked) < 40
    both.cloud.faults.clear()


@needs_root
async def test_what_the_cloud_takes_while_the_disk_is_full_is_neither_lost_nor_told_twice(tmp_path: Path) -> None:
    with four_megabytes(tmp_path) as disk:
        async with both_ends(disk) as both:
            await both.drained()
            both.cloud.faults.fail("/", status=503, times=10_000)
            lamp = replace(both.mine(AIR), uuid=LAMP, id=None)
            await both.store.mirror.put(lamp, RecordItem(uuid=LAMP))
            ballast = fill(disk, leave=0)
            await fill_to_the_last(both)
            both.cloud.faults.clear()
            async with asyncio.timeout(20):
                while "disk is full" not in str(both.sender.trouble):
                    await asyncio.sleep(0.01)
            ballast.unlink()
            async with asyncio.timeout(20):
                while both.mine(LAMP).id is None:
                    await asyncio.sleep(0.01)
            assert both.mine(LAMP).id == both.theirs(LAMP)["id"]


async def fill_to_the_last(both: Both) -> None:
    """Use up what the store keeps in reserve."""
    air = both.mine(AIR)
    for number in range(100_000):
        notice = NoticeItem(
            category=air.category, uuid=AIR, exectype=ExecType.UPDATE, sn=f"{number}", status="NORMAL", record=air
        )
        try:
            await both.store.outbox.add(notice)
        except StoreError:
            return
