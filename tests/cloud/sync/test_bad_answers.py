"""Bad answers to the sync: what is known stays, what can be decoded is merged, and the next run works."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.model.permission import Permission
from tests.common.sync import GUEST, LOCK, SENSOR, GatewayAndCloud, add_home_member, edit_in_app

RECORDS, SPACES, AUTHORIZATIONS = "/api/iot/iot_manage_view/", "/api/iot/space/", "/api/iot/authorization/"
HUGE = str(2**70)


def set_answer(both: GatewayAndCloud, path: str, status: int, data: object, times: int = 1, **page: Any) -> None:
    """Let the cloud answer the next `times` calls at `path` with `data`."""
    msg = {"data": data} | ({"page": page} if page else {})
    both.cloud.faults.answer(path, json.dumps({"msg": msg, "status": status, "desc": ""}), times=times)


async def failed_sections(both: GatewayAndCloud) -> set[str]:
    """The sections that fail in another run of the sync."""
    return {name for name, error in (await both.run_sync()).items() if error}


@pytest.mark.parametrize("timestamp", [1532679058000, 10**20, -1, HUGE, "soon", None])
async def test_invalid_timestamp_fails_its_section_once(both: GatewayAndCloud, timestamp: object) -> None:
    set_answer(both, "/api/iot/get_timestamp/", 200049, {"timestamp": timestamp})
    assert await failed_sections(both) == {"timestamp"}
    assert await failed_sections(both) == set()


@pytest.mark.parametrize(
    ("section", "path", "status", "object_"),
    [
        ("space", SPACES, 200026, {"id": HUGE, "type": "unit"}),
        ("space", SPACES, 200026, {"id": -1, "type": "unit"}),
        ("space", SPACES, 200026, 7),
        ("member", "/api/iot/members/", 200046, {"id": "seven"}),
        ("profile", "/api/accounts/user_get_profile/", 200004, None),
        ("authorization", AUTHORIZATIONS, 200021, {"id": HUGE, "perm": 3}),
        ("authorization", AUTHORIZATIONS, 200021, {"id": 1, "perm": "much"}),
    ],
)
async def test_invalid_object_fails_its_section_only_and_erases_nothing(
    both: GatewayAndCloud, section: str, path: str, status: int, object_: object
) -> None:
    before = dict(both.store.cloud_cache.of(section))
    set_answer(both, path, status, [object_])
    assert await failed_sections(both) == {section}
    assert both.store.cloud_cache.of(section) == before
    assert both.store.problem is None


async def test_unreadable_record_does_not_stop_the_others(both: GatewayAndCloud) -> None:
    await edit_in_app(both, SENSOR, title="新")
    rows: list[object] = [
        {**row, "title": 7} if row["uuid"] == LOCK else row for row in both.cloud.records("18900000001")
    ]
    set_answer(both, RECORDS, 200016, [{"uuid": "unknown", "category": "tv", "param": 7}, 7, *rows])
    assert await failed_sections(both) == {"record"}
    assert both.local(SENSOR).title == "新"
    assert not both.local(LOCK).unlinked


async def test_forbidden_record_does_not_stop_the_unlinking_of_others(both: GatewayAndCloud) -> None:
    lock, sensor = both.local(LOCK), both.local(SENSOR)
    assert sensor.id is not None
    await both.client.records.delete(sensor.id)
    gateway = [row for row in both.cloud.records("18900000001") if row["category"] == "gw"]
    set_answer(both, f"{RECORDS}{lock.id}/", 400042, None)
    both.cloud.faults.answer(RECORDS, json.dumps({"msg": {"data": gateway}, "status": 200016, "desc": ""}))
    assert await failed_sections(both) == {"record"}
    assert (both.local(LOCK).unlinked, both.local(SENSOR).unlinked) == (False, True)


@pytest.mark.parametrize(
    "page",
    [
        {"total_page": 1, "total_pieces": 3},  # more than were received
        {"total_page": 2, "total_pieces": 3},  # the second page is the first again
        {"total_page": 10**9, "total_pieces": 2},
        {"total_page": 1, "current_page": 2, "total_pieces": 2},
    ],
)
async def test_incomplete_list_erases_nothing(both: GatewayAndCloud, page: Mapping[str, Any]) -> None:
    await both.run_sync()
    before = dict(both.store.cloud_cache.of("space"))
    spaces = [{"id": id_, "type": "unit", "title": "x"} for id_ in (1, 2)]
    set_answer(both, SPACES, 200026, spaces, times=2, **{"current_page": 1, **page})
    assert await failed_sections(both) == {"space"}
    assert both.store.cloud_cache.of("space") == before


@pytest.mark.parametrize("path", [RECORDS, SPACES, AUTHORIZATIONS])
async def test_failure_at_the_second_page_erases_nothing(both: GatewayAndCloud, path: str) -> None:
    await both.run_sync()
    mirror, spaces = both.store.mirror.all(), dict(both.store.cloud_cache.of("space"))
    status = {RECORDS: 200016, SPACES: 200026, AUTHORIZATIONS: 200021}[path]
    set_answer(both, path, status, [{"id": 77, "perm": 3, "uuid": "x"}], total_page=2, total_pieces=60)
    both.cloud.faults.fail(path, status=500, times=3)
    assert len(await failed_sections(both)) == 1
    assert both.store.mirror.all() == mirror
    assert both.store.cloud_cache.of("space") == spaces
    assert await failed_sections(both) == set()


async def authorize_guest(both: GatewayAndCloud, level: Permission) -> int:
    """Authorize the guest on the lock, and sync; returns the authorization's id."""
    guest_id = await add_home_member(both, GUEST)
    authorization = Authorization(info_id=both.local(LOCK).id, authorized_id=guest_id, perm=level)
    id_ = (await both.client.authorizations.create(authorization)).id
    assert id_ is not None
    await both.run_sync()
    assert both.access.level(GUEST, LOCK) is level
    return id_


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (400087, Permission.NONE),  # 授权条目不存在
        (400042, Permission.NONE),  # 权限不足
        (499999, Permission.NONE),  # any other refusal
        (500000, Permission.CONTROL),  # no answer
    ],
)
async def test_unlisted_authorization_is_revoked_only_when_the_cloud_refuses_to_show_it(
    both: GatewayAndCloud, status: int, level: Permission
) -> None:
    id_ = await authorize_guest(both, Permission.CONTROL)
    both.cloud.faults.answer(f"{AUTHORIZATIONS}{id_}/", json.dumps({"msg": {}, "status": status, "desc": ""}), times=3)
    set_answer(both, AUTHORIZATIONS, 200021, [])
    assert await failed_sections(both) == (set() if level is Permission.NONE else {"authorization"})
    assert both.access.level(GUEST, LOCK) is level


async def test_authorization_without_an_answer_does_not_stop_the_revoking_of_others(both: GatewayAndCloud) -> None:
    await authorize_guest(both, Permission.CONTROL)
    guest_id = next(iter(both.store.cloud_cache.of("authorization").values()))["authorized_id"]
    authorization = Authorization(info_id=both.local(SENSOR).id, authorized_id=guest_id, perm=3)
    other = (await both.client.authorizations.create(authorization)).id
    await both.run_sync()
    assert both.access.level(GUEST, SENSOR) is Permission.CONTROL
    assert other is not None
    await both.client.authorizations.delete(other)
    both.cloud.faults.fail(f"{AUTHORIZATIONS}1/", status=500, times=3)
    set_answer(both, AUTHORIZATIONS, 200021, [])
    assert await failed_sections(both) == {"authorization"}
    assert both.access.level(GUEST, SENSOR) is Permission.NONE
    assert both.access.level(GUEST, LOCK) is Permission.CONTROL


@pytest.mark.parametrize("own_first", [True, False])
async def test_second_record_of_a_device_changes_nothing(both: GatewayAndCloud, own_first: bool) -> None:
    rows = both.cloud.records("18900000001")
    second = [{**row, "id": row["id"] + 500, "title": "第二"} for row in rows if row["uuid"] == LOCK]
    before = both.local(LOCK)
    set_answer(both, RECORDS, 200016, [*rows, *second] if own_first else [*second, *rows])
    assert await failed_sections(both) == set()
    await both.wait_until_sent()
    assert both.local(LOCK) == before
    assert both.local(SENSOR).unlinked is False
