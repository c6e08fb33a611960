"""Mirror and cloud agree, whatever is changed where, and whatever fails on the way."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.spaces import Space
from gatewayd.cloud.sync.sync import pause_after
from gatewayd.model.change import Change
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from gatewayd.model.permission import Permission
from gatewayd.model.record import LockParam, Record
from tests.common.sync import (
    AIR,
    DOOR,
    GATEWAY,
    GUEST,
    OWNER,
    Both,
    both_ends,
    edit_there,
    member_of_the_home,
    now,
)


async def test_what_the_household_says_there_arrives_here_and_what_the_radio_knows_stays(both: Both) -> None:
    await edit_there(both, DOOR, title="大门", param={"room_id": 6, "battery": 3})
    assert set((await both.synced()).values()) == {None}
    door = both.mine(DOOR)
    assert isinstance(door.param, LockParam)
    assert (door.title, door.param.room_id, door.param.battery) == ("大门", 6, 80)
    await both.drained()
    param = both.theirs(DOOR)["param"]
    assert isinstance(param, dict)
    assert (param["battery"], param["room_id"]) == (80, 6)  # what the radio knows was said again


async def test_a_reading_does_not_undo_a_name_that_was_given_there(both: Both) -> None:
    await edit_there(both, DOOR, title="大门")
    both.store.mirror.report(DOOR, (Change("battery", 42),), now())
    await both.store.mirror.flush()
    await both.drained()
    assert both.theirs(DOOR)["title"] == "大门"
    await both.synced()
    assert both.mine(DOOR).title == "大门"


async def test_a_name_given_here_while_the_cloud_is_away_wins_when_it_is_back(both: Both) -> None:
    both.cloud.faults.fail("/", status=503, times=1000)
    edited = replace(both.mine(DOOR), title="后门", edited=("title",))
    await both.store.mirror.put(edited, RecordItem(uuid=DOOR))
    failed = await both.synced()
    assert "503" in str(failed["record"])
    both.cloud.faults.clear()
    await both.synced()
    assert both.mine(DOOR).title == "后门"
    await both.drained()
    assert both.theirs(DOOR)["title"] == "后门"
    assert both.mine(DOOR).edited == ()


async def test_a_name_given_here_while_the_cloud_was_saying_the_old_one_stays(both: Both) -> None:
    old = {"status": 200016, "msg": {"data": both.cloud.records(OWNER)}, "desc": ""}
    both.cloud.faults.answer("/api/iot/iot_manage_view/", json.dumps(old), seconds=0.5)
    run = both.sync.ask()
    async with asyncio.timeout(10):
        while not any(step.name == "record" and step.state == "running" for step in both.sync.progress.steps):
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)  # the question is on its way
    await both.store.mirror.put(replace(both.mine(DOOR), title="后门", edited=("title",)), RecordItem(uuid=DOOR))
    await both.drained()
    assert both.mine(DOOR).edited == ()
    async with asyncio.timeout(10):
        while both.sync.progress.number < run or both.sync.progress.running:
            await asyncio.sleep(0.005)
    assert (both.mine(DOOR).title, both.theirs(DOOR)["title"]) == ("后门", "后门")


async def test_a_room_that_is_gone_there_is_left_here_and_readings_go_on(both: Both) -> None:
    unit = await both.client.spaces.create(Space(type="unit", title="地下室"))
    room = await both.client.spaces.create(Space(type="room", title="杂物间", superior_id=unit.id))
    await edit_there(both, DOOR, param={"room_id": room.id})
    await both.synced()
    assert both.mine(DOOR).param.room_id == room.id
    assert unit.id is not None
    await both.client.spaces.delete(unit.id)
    both.store.mirror.report(DOOR, (Change("battery", 42),), now())
    await both.store.mirror.flush()
    await both.drained()
    await both.synced()
    assert both.mine(DOOR).param.room_id is None
    param = both.theirs(DOOR)["param"]
    assert isinstance(param, dict)
    assert (param["room_id"], param["battery"]) == (None, 42)


@pytest.mark.parametrize("name", ["大门", "𠮷野家 🚪👨‍👩‍👧‍👦", "a\"b\\c\n'; --", "ﷺ" * 64])
async def test_every_name_arrives_as_it_was_said_both_ways_and_after_a_restart(tmp_path: Path, name: str) -> None:
    async with both_ends(tmp_path) as both:
        await both.drained()
        await edit_there(both, DOOR, title=name, 新={"键": [name, None]})
        await both.synced()
        await both.store.mirror.put(replace(both.mine(AIR), title=name, edited=("title",)), RecordItem(uuid=AIR))
        await both.drained()
        assert both.theirs(AIR)["title"] == name
    async with both_ends(tmp_path, with_records=False) as again:
        door = again.mine(DOOR)
        assert (door.title, door.extra["新"], again.mine(AIR).title) == (name, {"键": [name, None]}, name)


async def test_a_device_that_the_cloud_has_no_longer_is_kept_unlinked_and_linked_when_it_is_back(both: Both) -> None:
    door = both.mine(DOOR)
    assert door.id is not None
    await both.client.records.delete(door.id)
    await both.synced()
    assert (both.mine(DOOR).unlinked, both.mine(DOOR).id) == (True, None)
    both.store.mirror.report(DOOR, (Change("battery", 9),), now())
    await both.store.mirror.flush()
    await both.drained()
    assert [record["uuid"] for record in both.cloud.records(OWNER)] == [GATEWAY, AIR]
    await both.client.records.create(door)
    await both.synced()
    assert (both.mine(DOOR).unlinked, both.mine(DOOR).id is None) == (False, False)


async def test_a_put_that_finds_nothing_there_unlinks_and_a_message_is_buried_with_its_reason(both: Both) -> None:
    door = both.mine(DOOR)
    assert door.id is not None
    await both.client.records.delete(door.id)
    message = MessageItem(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(message, replace(message, level=2))
    await both.drained()
    assert both.mine(DOOR).unlinked
    first, second = [letter.reason for letter in await both.store.outbox.dead_letters()]
    assert "no device" in first
    assert "设备不存在" in second


async def test_the_gateway_itself_is_told_anew(both: Both) -> None:
    gateway = both.mine(GATEWAY)
    assert gateway.id is not None
    await both.client.records.delete(gateway.id)
    await both.synced()
    await both.drained()
    assert both.theirs(GATEWAY)["id"] == both.mine(GATEWAY).id != gateway.id


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status": 200016, "msg": {}, "desc": ""}', b"[]"])
async def test_an_answer_that_cannot_be_read_erases_nothing(both: Both, body: bytes) -> None:
    before = both.store.mirror.all()
    both.cloud.faults.answer("/api/iot/iot_manage_view/", body.decode(), times=10)
    assert (await both.synced())["record"] is not None
    assert both.store.mirror.all() == before


async def test_an_empty_list_erases_nothing(both: Both) -> None:
    await both.synced()
    spaces = dict(both.store.cloud_cache.of("space"))
    assert spaces
    empty = {"status": 200026, "msg": {"data": [], "page": {"total_page": 1}}, "desc": ""}
    both.cloud.faults.answer("/api/iot/space/", json.dumps(empty))
    await both.synced()
    assert both.store.cloud_cache.of("space") == spaces
    empty["status"] = 200016
    both.cloud.faults.answer("/api/iot/iot_manage_view/", json.dumps(empty))
    await both.synced()
    assert not any(record.unlinked for record in both.store.mirror.all())


async def test_one_section_that_fails_does_not_hold_up_the_others(both: Both) -> None:
    both.cloud.faults.fail("/api/iot/space/", status=500, times=10)
    failed = {name for name, error in (await both.synced()).items() if error}
    assert failed == {"space"}


async def test_a_cloud_that_does_not_answer_is_not_asked_for_every_section(both: Both) -> None:
    both.cloud.faults.fail("/", status=503, times=1000)
    asked = len(both.cloud.requests)
    errors = (await both.synced()).values()
    assert sum("not tried" in str(error) for error in errors) == len(errors) - 2
    assert len(both.cloud.requests) - asked == 6  # two sections, three attempts each


@pytest.mark.parametrize(
    ("failures", "interval_s", "pause_s"),
    [(0, 3600, 3600), (1, 3600, 30), (2, 3600, 60), (7, 3600, 1920), (8, 3600, 3600), (10**6, 3600, 3600), (1, 10, 10)],
)
def test_a_sync_that_fails_is_tried_again_soon_and_then_less_often(
    failures: int, interval_s: float, pause_s: float
) -> None:
    assert pause_after(failures, interval_s) == pause_s


async def test_a_right_that_was_given_is_known_by_the_users_name_until_it_is_taken_back(both: Both) -> None:
    door = both.mine(DOOR)
    guest_id = await member_of_the_home(both, GUEST)
    given = await both.client.authorizations.create(Authorization(info_id=door.id, authorized_id=guest_id, perm=3))
    assert given.id is not None
    version = both.access.version
    await both.synced()
    assert both.access.level(GUEST, DOOR) is Permission.CONTROL
    assert both.access.users_of(DOOR) == (OWNER, GUEST)
    assert both.access.level(GUEST, AIR) is Permission.NONE
    assert both.access.version == version + 1
    await both.client.authorizations.delete(given.id)
    await both.synced()
    assert both.access.level(GUEST, DOOR) is Permission.NONE
    assert both.access.users_of(DOOR) == (OWNER,)


async def test_a_right_that_a_bad_answer_leaves_out_is_kept(both: Both) -> None:
    guest_id = await member_of_the_home(both, GUEST)
    await both.client.authorizations.create(Authorization(info_id=both.mine(DOOR).id, authorized_id=guest_id, perm=3))
    await both.synced()
    empty = {"status": 200021, "msg": {"data": [], "page": {"total_page": 1}}, "desc": ""}
    both.cloud.faults.answer("/api/iot/authorization/", json.dumps(empty))
    await both.synced()
    assert both.access.level(GUEST, DOOR) is Permission.CONTROL


async def test_rights_are_known_after_a_restart_without_the_cloud(tmp_path: Path) -> None:
    async with both_ends(tmp_path) as both:
        await both.drained()
        guest_id = await member_of_the_home(both, GUEST)
        right = Authorization(info_id=both.mine(DOOR).id, authorized_id=guest_id, perm=4)
        await both.client.authorizations.create(right)
        await both.synced()
    async with both_ends(tmp_path, with_records=False) as again:
        again.cloud.faults.fail("/", status=503, times=1000)
        assert again.access.level(GUEST, DOOR) is Permission.UPDATE


async def test_many_changes_go_as_one_batch_each_with_its_own_outcome(both: Both) -> None:
    both.cloud.requests.clear()
    sensors = [
        Record(
            uuid=Uuid(f"00158d0005{n:06x}"), category=Category.SENSOR, title=f"传感器{n}", param=both.mine(AIR).param
        )
        for n in range(40)
    ]
    gone = both.mine(DOOR)
    assert gone.id is not None
    await both.client.records.delete(gone.id)
    both.cloud.faults.hang("/", seconds=0.5, times=1)  # while the first is on its way, the others gather
    for sensor in sensors:
        await both.store.mirror.put(sensor, RecordItem(uuid=sensor.uuid))
    await both.store.outbox.add(RecordItem(uuid=DOOR))
    await both.drained()
    assert {record["uuid"] for record in both.cloud.records(OWNER)} == {GATEWAY, AIR, *(one.uuid for one in sensors)}
    assert all(both.mine(sensor.uuid).id is not None for sensor in sensors)
    assert both.mine(DOOR).unlinked
    calls = [path for method, path, _ in both.cloud.requests if method == "POST"]
    assert any(path.startswith("/api/iot/patch/") for path in calls)
    assert len(calls) < len(sensors)


async def test_when_the_cloud_is_back_what_waited_goes_at_once_as_batches(both: Both) -> None:
    both.cloud.faults.fail("/", status=503, times=10_000)
    uuids = [Uuid(f"00158d0005{n:06x}") for n in range(40)]
    for uuid in uuids:
        await both.store.mirror.put(replace(both.mine(AIR), uuid=uuid, id=None), RecordItem(uuid=uuid))
    async with asyncio.timeout(20):
        while "timestamp" not in str(both.sender.trouble):
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()
    both.cloud.requests.clear()
    await both.drained()
    assert all(both.mine(uuid).id is not None for uuid in uuids)
    assert len([path for method, path, _ in both.cloud.requests if method == "POST"]) < 10


async def test_a_row_that_the_cloud_chokes_on_holds_up_nobody_else(both: Both) -> None:
    both.cloud.faults.fail("/api/iot/iot_manage_view/", status=500, times=10_000)
    message = MessageItem(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(RecordItem(uuid=AIR), message)
    async with asyncio.timeout(20):
        while not both.cloud.messages():
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()


async def test_what_a_lock_said_before_it_was_removed_is_told_and_its_record_goes_after_that(both: Both) -> None:
    both.cloud.faults.fail("/", status=503, times=10_000)
    message = MessageItem(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(message)
    await both.store.mirror.remove(DOOR, RemovalItem(uuid=DOOR, id=both.mine(DOOR).id))
    both.cloud.faults.clear()
    await both.drained()
    calls = [f"{method} {path.split('/')[3]}" for method, path, _ in both.cloud.requests]
    assert calls.index("POST messages") < calls.index("DELETE iot_manage_view")
    assert DOOR not in {record["uuid"] for record in both.cloud.records(OWNER)}


async def test_a_record_that_may_have_been_taken_is_looked_for_when_its_device_is_removed(both: Both) -> None:
    lamp = replace(both.mine(AIR), uuid=Uuid("00158d0005000001"), id=None)
    both.cloud.faults.cut_after("/api/iot/iot_manage_view/")
    await both.store.mirror.put(lamp, RecordItem(uuid=lamp.uuid))
    async with asyncio.timeout(10):
        while lamp.uuid not in {record["uuid"] for record in both.cloud.records(OWNER)}:
            await asyncio.sleep(0.01)
    await both.store.mirror.remove(lamp.uuid, RemovalItem(uuid=lamp.uuid, id=None))
    await both.drained()
    assert lamp.uuid not in {record["uuid"] for record in both.cloud.records(OWNER)}


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_board_whose_clock_jumps_goes_on_telling(tmp_path: Path, hours: int) -> None:
    jump = timedelta()
    interval = timedelta(milliseconds=100)
    async with both_ends(tmp_path, board_now=lambda: now() + jump, record_interval=interval) as both:
        await both.drained()
        jump = timedelta(hours=hours)
        for battery in (41, 42):
            both.store.mirror.report(DOOR, (Change("battery", battery),), now() + jump)
            await both.store.mirror.flush()
            await both.drained()
        param = both.theirs(DOOR)["param"]
        assert isinstance(param, dict)
        assert param["battery"] == 42
        assert set((await both.synced()).values()) == {None}


async def test_a_poison_row_is_buried_with_its_reason_and_the_rest_goes_on(both: Both) -> None:
    bad = MessageItem(uuid=DOOR, message_type="t", flag="card_unlock", level=1, occur_time="no time at all")
    good = replace(bad, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(bad, good)
    await both.drained()
    (letter,) = await both.store.outbox.dead_letters()
    assert "400003" in letter.reason
    assert [message["occur_time"] for message in both.cloud.messages()] == ["2026-11-24 08:00:00"]
