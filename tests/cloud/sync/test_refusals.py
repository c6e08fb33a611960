"""Refused calls: what becomes of the item, and that all others are still sent."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.cloud.delivery.handler import DeliveryCall
from gatewayd.cloud.delivery.message import MessageHandler
from gatewayd.model.change import Change
from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import MessageItem, NoticeItem, RecordItem
from gatewayd.model.record import Channel, Record, SwitchParam
from tests.common.small_disk import fill, four_megabytes, needs_root
from tests.common.sync import LOCK, OWNER, SENSOR, GatewayAndCloud, gateway_and_cloud, now

SWITCH = Uuid("00158d0005000001")
OPENED = MessageItem(uuid=LOCK, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")


async def test_refused_login_makes_no_dead_letter_and_unlinks_nothing(both: GatewayAndCloud) -> None:
    both.cloud.state.db.all("UPDATE accounts SET password = 'another', token = '' WHERE username = ?", OWNER)
    await both.store.outbox.add(OPENED)
    errors = await both.run_sync()
    assert all("Invalid credentials" in str(error) or "not tried" in str(error) for error in errors.values())
    assert not any(record.unlinked for record in both.store.mirror.all())
    assert [row.item for row in await both.store.outbox.rows()] == [OPENED]
    assert await both.store.outbox.dead_letters() == ()
    assert sum("login" in path for _, path, _ in both.cloud.requests) == 2  # the one at start, and one refused


async def move_to_unknown_room(both: GatewayAndCloud) -> None:
    lock = both.local(LOCK)
    moved = replace(lock, param=replace(lock.param, room_id=4711), edited=("param.room_id",))
    await both.store.mirror.put(moved, RecordItem(uuid=LOCK))


async def report_battery(both: GatewayAndCloud, battery: int) -> None:
    both.store.mirror.report(LOCK, (Change("battery", battery),), now())
    await both.store.mirror.flush()
    await both.wait_until_sent()


async def test_refused_change_is_taken_back_and_reports_are_still_sent(both: GatewayAndCloud) -> None:
    await move_to_unknown_room(both)
    await both.wait_until_sent()
    await report_battery(both, 42)
    param = both.remote(LOCK)["param"]
    assert (param["battery"], param["room_id"]) == (42, None)
    assert both.local(LOCK).edited == ()
    await both.run_sync()
    assert both.local(LOCK).param.room_id is None
    (dead_letter,) = await both.store.outbox.dead_letters()
    assert "空间不存在" in dead_letter.reason


async def test_device_with_a_deleted_room_is_created_without_it_and_its_messages_are_sent(
    both: GatewayAndCloud,
) -> None:
    lock = both.local(LOCK)
    assert lock.id is not None
    await both.client.records.delete(lock.id)
    await both.store.mirror.put(replace(lock, id=None, param=replace(lock.param, room_id=4711)))
    await both.store.outbox.add(OPENED)
    await both.wait_until_sent()
    assert both.remote(LOCK)["id"] == both.local(LOCK).id
    assert [message["flag"] for message in both.cloud.messages()] == [OPENED.flag]


async def test_repeatedly_refused_record_is_one_dead_letter(both: GatewayAndCloud) -> None:
    refused = json.dumps({"msg": {}, "status": 400042, "desc": ""})
    both.cloud.faults.answer(f"/api/iot/iot_manage_view/{both.local(LOCK).id}/", refused, times=3)
    for battery in (41, 42, 43):
        await report_battery(both, battery)
    (dead_letter,) = await both.store.outbox.dead_letters()
    assert "权限不足" in dead_letter.reason
    await report_battery(both, 44)
    assert both.remote(LOCK)["param"]["battery"] == 44


async def test_switch_deleted_in_the_cloud_is_unlinked(both: GatewayAndCloud) -> None:
    switch = Record(
        uuid=SWITCH, category=Category.SWITCH, title="灯", param=SwitchParam(channel=(Channel(id=1, value=0),))
    )
    await both.store.mirror.put(switch, RecordItem(uuid=SWITCH))
    await both.wait_until_sent()
    id_ = both.local(SWITCH).id
    assert id_ is not None
    await both.client.records.delete(id_)
    await both.store.outbox.add(RecordItem(uuid=SWITCH))
    await both.wait_until_sent()
    assert both.local(SWITCH).unlinked
    assert await both.store.outbox.dead_letters() == ()


@pytest.mark.parametrize("status", [None, 400400, 400089])
async def test_messages_are_sent_in_order_when_batches_fail(both: GatewayAndCloud, status: int | None) -> None:
    answer = "<html>" if status is None else json.dumps({"msg": {}, "status": status, "desc": ""})
    both.cloud.faults.answer("/api/iot/patch/", answer, times=10_000)
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)  # the others are queued meanwhile
    await both.store.outbox.add(RecordItem(uuid=LOCK))
    openings = [replace(OPENED, occur_time=f"2026-11-24 08:00:{second:02}") for second in range(20)]
    await both.store.outbox.add(*openings)
    await both.wait_until_sent()
    assert [message["occur_time"] for message in both.cloud.messages()] == [one.occur_time for one in openings]


async def test_failing_records_keep_their_pauses_after_a_lost_batch(both: GatewayAndCloud) -> None:
    both.cloud.faults.cut_after("/api/iot/patch/")
    both.cloud.faults.hang("/api/iot/iot_manage_view/", seconds=0.3)
    await both.store.outbox.add(RecordItem(uuid=LOCK))
    await both.store.outbox.add(*(replace(OPENED, occur_time=f"2026-11-24 08:00:{n:02}") for n in range(20)))
    async with asyncio.timeout(10):
        while not any("patch" in path for _, path, _ in both.cloud.requests):
            await asyncio.sleep(0.01)
    both.cloud.faults.fail("/api/iot/iot_manage_view/", status=500, times=10_000)
    for record in both.store.mirror.all():
        await both.store.outbox.add(RecordItem(uuid=record.uuid))
    await asyncio.sleep(2)
    updates = [path for method, path, _ in both.cloud.requests if method == "PUT"]
    assert len(updates) < 40
    both.cloud.faults.clear()


@needs_root
async def test_record_created_while_the_disk_is_full_is_linked_once(tmp_path: Path) -> None:
    with four_megabytes(tmp_path) as disk:
        async with gateway_and_cloud(disk) as both:
            await both.wait_until_sent()
            both.cloud.faults.fail("/", status=503, times=10_000)
            switch = replace(both.local(SENSOR), uuid=SWITCH, id=None)
            await both.store.mirror.put(switch, RecordItem(uuid=SWITCH))
            ballast = fill(disk, leave=0)
            await fill_reserve(both)
            both.cloud.faults.clear()
            async with asyncio.timeout(20):
                while "disk is full" not in str(both.sender.trouble):
                    await asyncio.sleep(0.01)
            ballast.unlink()
            async with asyncio.timeout(20):
                while both.local(SWITCH).id is None:
                    await asyncio.sleep(0.01)
            assert both.local(SWITCH).id == both.remote(SWITCH)["id"]


async def fill_reserve(both: GatewayAndCloud) -> None:
    """Use up the reserve of the store."""
    sensor = both.local(SENSOR)
    for number in range(100_000):
        notice = NoticeItem(
            category=sensor.category,
            uuid=SENSOR,
            exectype=ExecType.UPDATE,
            sn=f"{number}",
            status="NORMAL",
            record=sensor,
        )
        try:
            await both.store.outbox.add(notice)
        except StoreError:
            return


async def test_item_with_which_we_have_a_fault_keeps_no_other_device_back(
    both: GatewayAndCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MessageHandler.prepare

    async def fault(handler: MessageHandler, item: MessageItem, *, maybe_sent: bool) -> DeliveryCall | None:
        if item.uuid == LOCK:
            raise ZeroDivisionError
        return await create(handler, item, maybe_sent=maybe_sent)

    monkeypatch.setattr(MessageHandler, "prepare", fault)
    of_sensor = replace(OPENED, uuid=SENSOR)
    await both.store.outbox.add(OPENED)
    await both.store.outbox.add(of_sensor)
    async with asyncio.timeout(10):
        while of_sensor in [row.item for row in await both.store.outbox.rows()]:
            await asyncio.sleep(0.02)
    assert [row.item for row in await both.store.outbox.rows()] == [OPENED]


async def test_fault_in_a_section_of_the_sync_leaves_the_others_in_order(
    both: GatewayAndCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(both.client.accounts, "profile", partial(fault, None))
    errors = await both.run_sync()
    assert "ZeroDivisionError" in str(errors["profile"])
    assert [name for name, error in errors.items() if error] == ["profile"]
