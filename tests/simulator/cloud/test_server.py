"""The simulated cloud over HTTP: tokens, pages, batches, faults, the clock, the database file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from gatewayd.model.rest_status import TOKEN_REFUSED
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.cloud.calls import HttpRoute
from gatewayd.simulator.cloud.routes import ROUTES
from tests.common.simulated_cloud import GUEST, LOCK, PASSWORD, USER, ApiUser, log_in

NOW = datetime(2026, 11, 24, 0, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.has_token], ids=lambda route: f"{route.method} {route.path}"
)
async def test_call_without_valid_token_is_refused_with_status_of_its_section(
    session: aiohttp.ClientSession, route: HttpRoute
) -> None:
    method, path = route.method, route.path.replace("{id}", "1")
    for token in ("", "f" * 40):
        answer = await ApiUser(session, token).request(method, path, {"data": {}})
        assert answer["status"] in TOKEN_REFUSED
        assert answer["desc"]


async def test_page_has_ten_rows_by_default_and_limit_rows_on_request(user: ApiUser) -> None:
    lock = await user.create("/api/iot/iot_manage_view/", **LOCK)
    for number in range(23):
        await user.create("/api/iot/keys/", info_id=lock, key_type=1, key_name=f"{number}", key_number=number)
    first = (await user.request("GET", "/api/iot/keys/"))["msg"]
    assert first["page"] == {"total_page": 3, "current_page": 1, "page_pieces": 10, "total_pieces": 23}
    assert [key["key_number"] for key in first["data"]] == list(range(10))
    last = (await user.request("GET", "/api/iot/keys/", limit="5", page="5"))["msg"]
    assert last["page"] == {"total_page": 5, "current_page": 5, "page_pieces": 5, "total_pieces": 23}
    assert [key["key_number"] for key in last["data"]] == [20, 21, 22]
    beyond = (await user.request("GET", "/api/iot/keys/", page="9"))["msg"]
    assert beyond["data"] == []
    wrong = await user.request("GET", "/api/iot/keys/", page="two")
    assert (wrong["status"], wrong["err"]) == (400003, "param 'page' is no number")


async def test_page_of_ten_thousand_messages_is_returned(cloud: SimulatedCloud, user: ApiUser) -> None:
    lock = await user.create("/api/iot/iot_manage_view/", **LOCK)
    for number in range(10_000):
        row = {"user_id": 1, "info_id": lock, "category": "lock", "level": 1 + number % 3, "message_type": "x"}
        row |= {"flag": "y", "created_time": "2026", "occur_time": "2026-11-24 08:00:00", "content": ""}
        cloud.state.db.add("messages", row)
    page = (await user.request("GET", "/api/iot/messages/", limit="50", page="200"))["msg"]
    assert (page["page"]["total_pieces"], len(page["data"])) == (10_000, 50)


async def test_unknown_path_or_method_is_an_http_error(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/iot/nothing/") as response:
        assert response.status == 404
    async with session.patch("/api/iot/keys/") as response:
        assert response.status == 405


async def test_timestamp_follows_clock_offset() -> None:
    async with SimulatedCloud(now=lambda: NOW).serve() as cloud:
        cloud.register(USER, PASSWORD)
        async with aiohttp.ClientSession(cloud.base_url) as session:
            user = await log_in(session, USER)
            for offset in (timedelta(), timedelta(hours=-7), timedelta(hours=30)):
                cloud.set_clock(offset)
                answer = await user.request("GET", "/api/iot/get_timestamp/")
                assert answer["msg"]["data"]["timestamp"] == int((NOW + offset).timestamp())


async def test_database_file_survives_restart(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    async with SimulatedCloud(now=lambda: NOW, path=path).serve() as cloud:
        cloud.register(USER, PASSWORD)
        async with aiohttp.ClientSession(cloud.base_url) as session:
            await (await log_in(session, USER)).create("/api/iot/iot_manage_view/", **LOCK)
        cloud.state.db.close()
    async with SimulatedCloud(now=lambda: NOW, path=path).serve() as cloud:
        assert [record["uuid"] for record in cloud.records(USER)] == [LOCK["uuid"]]


async def test_fault_applies_to_calls_of_its_path_and_count(cloud: SimulatedCloud, user: ApiUser) -> None:
    cloud.faults.fail("/api/iot/keys/", status=503, times=2)
    for expected in (503, 503, 200):
        headers = {"Authorization": f"Token {user.token}"}
        async with user.session.get("/api/iot/keys/", headers=headers) as response:
            assert response.status == expected
    cloud.faults.cut_after("/api/iot/iot_manage_view/")
    with pytest.raises(aiohttp.ClientError):
        await user.request("POST", "/api/iot/iot_manage_view/", {"data": LOCK})
    assert len(cloud.records(USER)) == 1
    cloud.faults.cut_within("/api/iot/iot_manage_view/", at=5)
    with pytest.raises(aiohttp.ClientPayloadError):
        await user.request("GET", "/api/iot/iot_manage_view/")
    cloud.faults.hang("/api/iot/get_timestamp/", seconds=0.001)
    assert (await user.request("GET", "/api/iot/get_timestamp/"))["status"] == 200049


async def test_revoked_token_is_refused_until_next_login(cloud: SimulatedCloud, user: ApiUser) -> None:
    cloud.revoke_tokens()
    assert (await user.request("GET", "/api/iot/keys/"))["status"] == 400000
    logged_in_again = await log_in(user.session, USER)
    assert (await logged_in_again.request("GET", "/api/iot/keys/"))["status"] == 200033


async def test_record_of_known_uuid_is_refused_for_any_user(cloud: SimulatedCloud, user: ApiUser) -> None:
    await user.create("/api/iot/iot_manage_view/", **LOCK)
    guest = await log_in(user.session, GUEST)
    answer = await guest.request("POST", "/api/iot/iot_manage_view/", {"data": LOCK})
    assert (answer["status"], answer["desc"]) == (400064, "设备已存在")


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ({"seq": "1", "method": "PATCH", "url": "http://x/api/iot/space/", "body": {}}, 400089),
        ({"seq": "1", "method": "POST", "url": "ftp://x/api/iot/space/", "body": {}}, 400090),
        ({"seq": "1", "method": "POST", "url": "http://x/api/iot/moon/", "body": {}}, 400091),
        ({"seq": "1", "method": "POST", "url": "http://x/api/iot/patch/", "body": {}}, 400091),
        ({"seq": "1", "method": "GET", "url": "http://x/media/version/x", "body": {}}, 400091),
        ({"seq": "1", "url": "http://x/api/iot/space/"}, 400003),
        (7, 400003),
    ],
)
async def test_invalid_part_of_batch_has_its_own_status(user: ApiUser, part: object, status: int) -> None:
    good = {"seq": "2", "method": "GET", "url": "https://x/api/iot/space/1/", "body": None}
    answer = await user.request("POST", "/api/iot/patch/", {"data": [part, good]})
    assert [one["status_sub"] for one in answer["msg"]] == [status, 200022]
    assert answer["status"] == 200201


async def test_path_is_found_with_and_without_trailing_slash(user: ApiUser) -> None:
    lock = await user.create("/api/iot/iot_manage_view", **LOCK)
    for path in (f"/api/iot/iot_manage_view/{lock}", f"/api/iot/iot_manage_view/{lock}/"):
        assert (await user.request("GET", path))["status"] == 200012
