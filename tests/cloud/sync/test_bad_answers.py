"""Whatever the cloud answers the sync with: what was known stays, what can be read is taken, and the daemon lives."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.model.permission import Permission
from tests.common.sync import AIR, DOOR, GUEST, Both, edit_there, member_of_the_home

RECORDS, SPACES, RIGHTS = "/api/iot/iot_manage_view/", "/api/iot/space/", "/api/iot/authorization/"
HUGE = str(2**70)


def says(both: Both, path: str, status: int, data: object, times: int = 1, **page: Any) -> None:
    """The cloud's next answers at `path`."""
    msg = {"data": data} | ({"page": page} if page else {})
    both.cloud.faults.answer(path, json.dumps({"msg": msg, "status": status, "desc": ""}), times=times)


async def failed(both: Both) -> set[str]:
    """The sections in which the next sync fails."""
    return {name for name, error in (await both.synced()).items() if error}


@pytest.mark.parametrize("timestamp", [1532679058000, 10**20, -1, HUGE, "soon", None])
async def test_a_time_that_is_none_is_an_error_and_not_the_end(both: Both, timestamp: object) -> None:
    says(both, "/api/iot/get_timestamp/", 200049, {"timestamp": timestamp})
    assert await failed(both) == {"timestamp"}
    assert await failed(both) == set()


@pytest.mark.parametrize(
    ("section", "path", "status", "row"),
    [
        ("space", SPACES, 200026, {"id": HUGE, "type": "unit"}),
        ("space", SPACES, 200026, {"id": -1, "type": "unit"}),
        ("space", SPACES, 200026, 7),
        ("member", "/api/iot/members/", 200046, {"id": "seven"}),
        ("profile", "/api/accounts/user_get_profile/", 200004, None),
        ("authorization", RIGHTS, 200021, {"id": HUGE, "perm": 3}),
        ("authorization", RIGHTS, 200021, {"id": 1, "perm": "much"}),
    ],
)
async def test_a_row_that_cannot_be_kept_fails_its_section_alone_and_erases_nothing(
    both: Both, section: str, path: str, status: int, row: object
) -> None:
    before = dict(both.store.cloud_cache.of(section))
    says(both, path, status, [row])
    assert await failed(both) == {section}
    assert both.store.cloud_cache.of(section) == before
    assert both.store.problem is None


async def test_a_record_that_cannot_be_read_holds_up_no_other(both: Both) -> None:
    await edit_there(both, AIR, title="新")
    rows: list[object] = [
        {**row, "title": 7} if row["uuid"] == DOOR else row for row in both.cloud.records("18900000001")
    ]
    says(both, RECORDS, 200016, [{"uuid": "somebody's", "category": "tv", "param": 7}, 7, *rows])
    assert await failed(both) == {"record"}
    assert both.mine(AIR).title == "新"
    assert not both.mine(DOOR).unlinked


async def test_a_record_that_may_not_be_looked_at_holds_up_the_unlinking_of_no_other(both: Both) -> None:
    door, air = both.mine(DOOR), both.mine(AIR)
    assert air.id is not None
    await both.client.records.delete(air.id)
    gateway = [row for row in both.cloud.records("18900000001") if row["category"] == "gw"]
    says(both, f"{RECORDS}{door.id}/", 400042, None)
    both.cloud.faults.answer(RECORDS, json.dumps({"msg": {"data": gateway}, "status": 200016, "desc": ""}))
    assert await failed(both) == {"record"}
    assert (both.mine(DOOR).unlinked, both.mine(AIR).unlinked) == (False, True)


@pytest.mark.parametrize(
    "page",
    [
        {"total_page": 1, "total_pieces": 3},  # more than came
        {"total_page": 2, "total_pieces": 3},  # and the second page is the first again
        {"total_page": 10**9, "total_pieces": 2},
        {"total_page": 1, "current_page": 2, "total_pieces": 2},
    ],
)
async def test_a_list_that_is_not_whole_erases_nothing(both: Both, page: Mapping[str, Any]) -> None:
    await both.synced()
    before = dict(both.store.cloud_cache.of("space"))
    rows = [{"id": id_, "type": "unit", "title": "x"} for id_ in (1, 2)]
    says(both, SPACES, 200026, rows, times=2, **{"current_page": 1, **page})
    assert await failed(both) == {"space"}
    assert both.store.cloud_cache.of("space") == before


@pytest.mark.parametrize("path", [RECORDS, SPACES, RIGHTS])
async def test_a_cloud_that_fails_at_the_second_page_erases_nothing(both: Both, path: str) -> None:
    await both.synced()
    mirror, spaces = both.store.mirror.all(), dict(both.store.cloud_cache.of("space"))
    status = {RECORDS: 200016, SPACES: 200026, RIGHTS: 200021}[path]
    says(both, path, status, [{"id": 77, "perm": 3, "uuid": "x"}], total_page=2, total_pieces=60)
    both.cloud.faults.fail(path, status=500, times=3)
    assert len(await failed(both)) == 1
    assert both.store.mirror.all() == mirror
    assert both.store.cloud_cache.of("space") == spaces
    assert await failed(both) == set()


async def given(both: Both, level: Permission) -> int:
    """The id of a right that the guest has on the door, and that the gateway knows."""
    guest_id = await member_of_the_home(both, GUEST)
    right = Authorization(info_id=both.mine(DOOR).id, authorized_id=guest_id, perm=level)
    id_ = (await both.client.authorizations.create(right)).id
    assert id_ is not None
    await both.synced()
    assert both.access.level(GUEST, DOOR) is level
    return id_


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (400087, Permission.NONE),  # 授权条目不存在
        (400042, Permission.NONE),  # 权限不足
        (499999, Permission.NONE),  # refused, in whatever words
        (500000, Permission.CONTROL),  # no answer at all: nothing is known
    ],
)
async def test_a_right_that_is_not_listed_stands_only_where_the_cloud_does_not_refuse_to_show_it(
    both: Both, status: int, level: Permission
) -> None:
    id_ = await given(both, Permission.CONTROL)
    both.cloud.faults.answer(f"{RIGHTS}{id_}/", json.dumps({"msg": {}, "status": status, "desc": ""}), times=3)
    says(both, RIGHTS, 200021, [])
    assert await failed(both) == (set() if level is Permission.NONE else {"authorization"})
    assert both.access.level(GUEST, DOOR) is level


async def test_a_right_that_the_cloud_gives_no_answer_about_holds_up_the_end_of_no_other(both: Both) -> None:
    await given(both, Permission.CONTROL)
    guest_id = next(iter(both.store.cloud_cache.of("authorization").values()))["authorized_id"]
    right = Authorization(info_id=both.mine(AIR).id, authorized_id=guest_id, perm=3)
    other = (await both.client.authorizations.create(right)).id
    await both.synced()
    assert both.access.level(GUEST, AIR) is Permission.CONTROL
    assert other is not None
    await both.client.authorizations.delete(other)
    both.cloud.faults.fail(f"{RIGHTS}1/", status=500, times=3)
    says(both, RIGHTS, 200021, [])
    assert await failed(both) == {"authorization"}
    assert both.access.level(GUEST, AIR) is Permission.NONE
    assert both.access.level(GUEST, DOOR) is Permission.CONTROL
