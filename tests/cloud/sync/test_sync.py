"""Mirror and cloud agree after changes on either side and after failures."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.spaces import Space
from gatewayd.cloud.sync.progress import StepState
from gatewayd.cloud.sync.sync import pause_s_after
from gatewayd.model.change import Change
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem, RecordItem, RemovalItem
from gatewayd.model.permission import Permission
from gatewayd.model.record import LockParam, Record
from tests.common.sync import (
    GATEWAY,
    GUEST,
    LOCK,
    OWNER,
    SENSOR,
    GatewayAndCloud,
    add_home_member,
    edit_in_app,
    gateway_and_cloud,
    now,
)


async def test_household_fields_are_pulled_and_radio_fields_sent_again(both: GatewayAndCloud) -> None:
    await edit_in_app(both, LOCK, title="大门", param={"room_id": 6, "battery": 3})
    assert set((await both.run_sync()).values()) == {None}
    lock = both.local(LOCK)
    assert isinstance(lock.param, LockParam)
    assert (lock.title, lock.param.room_id, lock.param.battery) == ("大门", 6, 80)
    await both.wait_until_sent()
    param = both.remote(LOCK)["param"]
    assert (param["battery"], param["room_id"]) == (80, 6)


async def test_report_does_not_overwrite_a_title_set_in_the_app(both: GatewayAndCloud) -> None:
    await edit_in_app(both, LOCK, title="大门")
    both.store.mirror.report(LOCK, (Change("battery", 42),), now())
    await both.store.mirror.flush()
    await both.wait_until_sent()
    assert both.remote(LOCK)["title"] == "大门"
    await both.run_sync()
    assert both.local(LOCK).title == "大门"


async def test_title_set_here_while_the_cloud_is_down_is_stored_when_it_is_back(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/", status=503, times=1000)
    edited = replace(both.local(LOCK), title="后门", edited=("title",))
    await both.store.mirror.put(edited, RecordItem(uuid=LOCK))
    errors = await both.run_sync()
    assert "503" in str(errors["record"])
    both.cloud.faults.clear()
    await both.run_sync()
    assert both.local(LOCK).title == "后门"
    await both.wait_until_sent()
    assert both.remote(LOCK)["title"] == "后门"
    assert both.local(LOCK).edited == ()


async def test_title_set_here_while_the_cloud_lists_the_old_one_stays(both: GatewayAndCloud) -> None:
    old_list = {"status": 200016, "msg": {"data": both.cloud.records(OWNER)}, "desc": ""}
    both.cloud.faults.answer("/api/iot/iot_manage_view/", json.dumps(old_list), seconds=0.5)
    number = both.sync.request_run()
    async with asyncio.timeout(10):
        while not any(step.name == "record" and step.state is StepState.RUNNING for step in both.sync.progress.steps):
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)  # the request is on its way
    await both.store.mirror.put(replace(both.local(LOCK), title="后门", edited=("title",)), RecordItem(uuid=LOCK))
    await both.wait_until_sent()
    assert both.local(LOCK).edited == ()
    async with asyncio.timeout(10):
        while both.sync.progress.number < number or both.sync.progress.running:
            await asyncio.sleep(0.005)
    assert (both.local(LOCK).title, both.remote(LOCK)["title"]) == ("后门", "后门")


async def test_room_deleted_in_the_cloud_is_cleared_and_reports_are_still_sent(both: GatewayAndCloud) -> None:
    unit = await both.client.spaces.create(Space(type="unit", title="地下室"))
    room = await both.client.spaces.create(Space(type="room", title="杂物间", superior_id=unit.id))
    await edit_in_app(both, LOCK, param={"room_id": room.id})
    await both.run_sync()
    assert both.local(LOCK).param.room_id == room.id
    assert unit.id is not None
    await both.client.spaces.delete(unit.id)
    both.store.mirror.report(LOCK, (Change("battery", 42),), now())
    await both.store.mirror.flush()
    await both.wait_until_sent()
    await both.run_sync()
    assert both.local(LOCK).param.room_id is None
    param = both.remote(LOCK)["param"]
    assert (param["room_id"], param["battery"]) == (None, 42)


@pytest.mark.parametrize("title", ["大门", "𠮷野家 🚪👨‍👩‍👧‍👦", "a\"b\\c\n'; --", "ﷺ" * 64])
async def test_any_title_is_synced_unchanged_and_survives_a_restart(tmp_path: Path, title: str) -> None:
    async with gateway_and_cloud(tmp_path) as both:
        await both.wait_until_sent()
        await edit_in_app(both, LOCK, title=title, 新={"键": [title, None]})
        await both.run_sync()
        await both.store.mirror.put(
            replace(both.local(SENSOR), title=title, edited=("title",)), RecordItem(uuid=SENSOR)
        )
        await both.wait_until_sent()
        assert both.remote(SENSOR)["title"] == title
    async with gateway_and_cloud(tmp_path, with_records=False) as again:
        lock = again.local(LOCK)
        assert (lock.title, lock.extra["新"], again.local(SENSOR).title) == (title, {"键": [title, None]}, title)


async def test_device_deleted_in_the_cloud_is_unlinked_and_relinked_when_created_again(both: GatewayAndCloud) -> None:
    lock = both.local(LOCK)
    assert lock.id is not None
    await both.client.records.delete(lock.id)
    await both.run_sync()
    assert (both.local(LOCK).unlinked, both.local(LOCK).id) == (True, None)
    both.store.mirror.report(LOCK, (Change("battery", 9),), now())
    await both.store.mirror.flush()
    await both.wait_until_sent()
    assert [record["uuid"] for record in both.cloud.records(OWNER)] == [GATEWAY, SENSOR]
    await both.client.records.create(lock)
    await both.run_sync()
    assert (both.local(LOCK).unlinked, both.local(LOCK).id is None) == (False, False)


async def test_update_of_a_deleted_record_unlinks_and_its_messages_become_dead_letters(both: GatewayAndCloud) -> None:
    lock = both.local(LOCK)
    assert lock.id is not None
    await both.client.records.delete(lock.id)
    message = MessageItem(uuid=LOCK, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(message, replace(message, level=2))
    await both.wait_until_sent()
    assert both.local(LOCK).unlinked
    first, second = [row.reason for row in await both.store.outbox.dead_letters()]
    assert "no device" in first
    assert "设备不存在" in second


async def test_deleted_record_of_the_gateway_is_created_again(both: GatewayAndCloud) -> None:
    gateway = both.local(GATEWAY)
    assert gateway.id is not None
    await both.client.records.delete(gateway.id)
    await both.run_sync()
    await both.wait_until_sent()
    assert both.remote(GATEWAY)["id"] == both.local(GATEWAY).id != gateway.id


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status": 200016, "msg": {}, "desc": ""}', b"[]"])
async def test_unreadable_answer_erases_nothing(both: GatewayAndCloud, body: bytes) -> None:
    before = both.store.mirror.all()
    both.cloud.faults.answer("/api/iot/iot_manage_view/", body.decode(), times=10)
    assert (await both.run_sync())["record"] is not None
    assert both.store.mirror.all() == before


async def test_empty_list_erases_nothing(both: GatewayAndCloud) -> None:
    await both.run_sync()
    spaces = dict(both.store.cloud_cache.of("space"))
    assert spaces
    empty = {"status": 200026, "msg": {"data": [], "page": {"total_page": 1}}, "desc": ""}
    both.cloud.faults.answer("/api/iot/space/", json.dumps(empty))
    await both.run_sync()
    assert both.store.cloud_cache.of("space") == spaces
    empty["status"] = 200016
    both.cloud.faults.answer("/api/iot/iot_manage_view/", json.dumps(empty))
    await both.run_sync()
    assert not any(record.unlinked for record in both.store.mirror.all())


async def test_failed_section_does_not_stop_the_others(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/api/iot/space/", status=500, times=10)
    failed_sections = {name for name, error in (await both.run_sync()).items() if error}
    assert failed_sections == {"space"}


async def test_unreachable_cloud_is_asked_for_two_sections_only(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/", status=503, times=1000)
    before = len(both.cloud.requests)
    errors = (await both.run_sync()).values()
    assert sum("not tried" in str(error) for error in errors) == len(errors) - 2
    assert len(both.cloud.requests) - before == 6  # two sections, three attempts each


@pytest.mark.parametrize(
    ("failures", "interval_s", "pause_s"),
    [(0, 3600, 3600), (1, 3600, 30), (2, 3600, 60), (7, 3600, 1920), (8, 3600, 3600), (10**6, 3600, 3600), (1, 10, 10)],
)
def test_pause_grows_with_failed_runs_up_to_the_interval(failures: int, interval_s: float, pause_s: float) -> None:
    assert pause_s_after(failures, interval_s) == pause_s


async def test_authorization_holds_for_its_user_until_it_is_revoked(both: GatewayAndCloud) -> None:
    lock = both.local(LOCK)
    guest_id = await add_home_member(both, GUEST)
    authorization = await both.client.authorizations.create(
        Authorization(info_id=lock.id, authorized_id=guest_id, perm=3)
    )
    assert authorization.id is not None
    version = both.access.version
    await both.run_sync()
    assert both.access.level(GUEST, LOCK) is Permission.CONTROL
    assert both.access.topic_users(LOCK) == (OWNER, GUEST)
    assert both.access.level(GUEST, SENSOR) is Permission.NONE
    assert both.access.version == version + 1
    await both.client.authorizations.delete(authorization.id)
    await both.run_sync()
    assert both.access.level(GUEST, LOCK) is Permission.NONE
    assert both.access.topic_users(LOCK) == (OWNER,)


async def test_authorization_missing_in_one_list_is_kept(both: GatewayAndCloud) -> None:
    guest_id = await add_home_member(both, GUEST)
    await both.client.authorizations.create(Authorization(info_id=both.local(LOCK).id, authorized_id=guest_id, perm=3))
    await both.run_sync()
    empty = {"status": 200021, "msg": {"data": [], "page": {"total_page": 1}}, "desc": ""}
    both.cloud.faults.answer("/api/iot/authorization/", json.dumps(empty))
    await both.run_sync()
    assert both.access.level(GUEST, LOCK) is Permission.CONTROL


async def test_permissions_survive_a_restart_without_the_cloud(tmp_path: Path) -> None:
    async with gateway_and_cloud(tmp_path) as both:
        await both.wait_until_sent()
        guest_id = await add_home_member(both, GUEST)
        authorization = Authorization(info_id=both.local(LOCK).id, authorized_id=guest_id, perm=4)
        await both.client.authorizations.create(authorization)
        await both.run_sync()
    async with gateway_and_cloud(tmp_path, with_records=False) as again:
        again.cloud.faults.fail("/", status=503, times=1000)
        assert again.access.level(GUEST, LOCK) is Permission.UPDATE


async def test_many_changes_are_sent_as_batches_with_an_outcome_each(both: GatewayAndCloud) -> None:
    both.cloud.requests.clear()
    sensors = [
        Record(
            uuid=Uuid(f"00158d0005{n:06x}"),
            category=Category.SENSOR,
            title=f"传感器{n}",
            param=both.local(SENSOR).param,
        )
        for n in range(40)
    ]
    lock = both.local(LOCK)
    assert lock.id is not None
    await both.client.records.delete(lock.id)
    both.cloud.faults.hang("/", seconds=0.5, times=1)  # the others are queued while the first is sent
    for sensor in sensors:
        await both.store.mirror.put(sensor, RecordItem(uuid=sensor.uuid))
    await both.store.outbox.add(RecordItem(uuid=LOCK))
    await both.wait_until_sent()
    assert {record["uuid"] for record in both.cloud.records(OWNER)} == {GATEWAY, SENSOR, *(one.uuid for one in sensors)}
    assert all(both.local(sensor.uuid).id is not None for sensor in sensors)
    assert both.local(LOCK).unlinked
    calls = [path for method, path, _ in both.cloud.requests if method == "POST"]
    assert any(path.startswith("/api/iot/patch/") for path in calls)
    assert len(calls) < len(sensors)


async def test_queued_records_are_sent_as_batches_when_the_cloud_is_back(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/", status=503, times=10_000)
    uuids = [Uuid(f"00158d0005{n:06x}") for n in range(40)]
    for uuid in uuids:
        await both.store.mirror.put(replace(both.local(SENSOR), uuid=uuid, id=None), RecordItem(uuid=uuid))
    async with asyncio.timeout(20):
        while "timestamp" not in str(both.sender.trouble):
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()
    both.cloud.requests.clear()
    await both.wait_until_sent()
    assert all(both.local(uuid).id is not None for uuid in uuids)
    assert len([path for method, path, _ in both.cloud.requests if method == "POST"]) < 10


async def test_record_that_the_cloud_fails_at_does_not_delay_messages(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/api/iot/iot_manage_view/", status=500, times=10_000)
    message = MessageItem(uuid=LOCK, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(RecordItem(uuid=SENSOR), message)
    async with asyncio.timeout(20):
        while not both.cloud.messages():
            await asyncio.sleep(0.01)
    both.cloud.faults.clear()


async def test_message_of_a_removed_lock_is_sent_before_its_record_is_deleted(both: GatewayAndCloud) -> None:
    both.cloud.faults.fail("/", status=503, times=10_000)
    message = MessageItem(uuid=LOCK, message_type="t", flag="card_unlock", level=1, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(message)
    await both.store.mirror.remove(LOCK, RemovalItem(uuid=LOCK, id=both.local(LOCK).id))
    both.cloud.faults.clear()
    await both.wait_until_sent()
    calls = [f"{method} {path.split('/')[3]}" for method, path, _ in both.cloud.requests]
    assert calls.index("POST messages") < calls.index("DELETE iot_manage_view")
    assert LOCK not in {record["uuid"] for record in both.cloud.records(OWNER)}


async def test_record_created_without_an_answer_is_deleted_with_its_device(both: GatewayAndCloud) -> None:
    sensor = replace(both.local(SENSOR), uuid=Uuid("00158d0005000001"), id=None)
    both.cloud.faults.cut_after("/api/iot/iot_manage_view/")
    await both.store.mirror.put(sensor, RecordItem(uuid=sensor.uuid))
    async with asyncio.timeout(10):
        while sensor.uuid not in {record["uuid"] for record in both.cloud.records(OWNER)}:
            await asyncio.sleep(0.01)
    await both.store.mirror.remove(sensor.uuid, RemovalItem(uuid=sensor.uuid, id=None))
    await both.wait_until_sent()
    assert sensor.uuid not in {record["uuid"] for record in both.cloud.records(OWNER)}


@pytest.mark.parametrize("hours", [-5, 5])
async def test_jump_of_the_boards_clock_does_not_stop_delivery(tmp_path: Path, hours: int) -> None:
    jump = timedelta()
    interval = timedelta(milliseconds=100)
    async with gateway_and_cloud(tmp_path, board_now=lambda: now() + jump, record_interval=interval) as both:
        await both.wait_until_sent()
        jump = timedelta(hours=hours)
        for battery in (41, 42):
            both.store.mirror.report(LOCK, (Change("battery", battery),), now() + jump)
            await both.store.mirror.flush()
            await both.wait_until_sent()
        assert both.remote(LOCK)["param"]["battery"] == 42
        assert set((await both.run_sync()).values()) == {None}


async def test_refused_message_becomes_a_dead_letter_and_the_next_is_sent(both: GatewayAndCloud) -> None:
    refused = MessageItem(uuid=LOCK, message_type="t", flag="card_unlock", level=1, occur_time="no time at all")
    accepted = replace(refused, occur_time="2026-11-24 08:00:00")
    await both.store.outbox.add(refused, accepted)
    await both.wait_until_sent()
    (dead_letter,) = await both.store.outbox.dead_letters()
    assert "400003" in dead_letter.reason
    assert [message["occur_time"] for message in both.cloud.messages()] == ["2026-11-24 08:00:00"]


@pytest.mark.parametrize("name", ["#", "+", "a#b", "x" * 70_000, "\0", "\x01"], ids=lambda one: ascii(one[:4]))
async def test_authorized_user_whose_name_cannot_be_a_topic_level_has_no_topics(
    both: GatewayAndCloud, name: str
) -> None:
    guest_id = await add_home_member(both, GUEST)
    await both.client.authorizations.create(Authorization(info_id=both.local(LOCK).id, authorized_id=guest_id, perm=3))
    members = [{"id": 1, "user_id": guest_id, "username": name}]
    both.cloud.faults.answer("/api/iot/members/", json.dumps({"status": 200046, "msg": {"data": members}}))
    assert set((await both.run_sync()).values()) == {None}
    assert both.access.topic_users(LOCK) == (OWNER,)
    await both.run_sync()
    assert both.access.topic_users(LOCK) == (OWNER, GUEST)
