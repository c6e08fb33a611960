"""The simulated cloud's HTTP side: tokens, pages, faults, the clock, a database that stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from gatewayd.model.rest_status import TOKEN_REFUSED
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.cloud.routes import ROUTES
from tests.common.simulated_cloud import GUEST, LOCK, PASSWORD, USER, Caller, logged_in

NOW = datetime(2026, 11, 24, 0, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.has_token], ids=lambda r: f"{r.method} {r.path}")
async def test_without_a_token_every_section_says_so_in_its_own_words(
    session: aiohttp.ClientSession, route: object
) -> None:
    method, path = route.method, route.path.replace("{id}", "1")  # type: ignore[attr-defined]
    for token in ("", "f" * 40):
        answer = await Caller(session, token).ask(method, path, {"data": {}})
        assert answer["status"] in TOKEN_REFUSED
        assert answer["desc"]


async def test_a_page_has_ten_rows_unless_more_are_asked_for(user: Caller) -> None:
    lock = await user.made("/api/iot/iot_manage_view/", **LOCK)
    for number in range(23):
        await user.made("/api/iot/keys/", info_id=lock, key_type=1, key_name=f"{number}", key_number=number)
    first = (await user.ask("GET", "/api/iot/keys/"))["msg"]
    assert first["page"] == {"total_page": 3, "current_page": 1, "page_pieces": 10, "total_pieces": 23}
    assert [key["key_number"] for key in first["data"]] == list(range(10))
    last = (await user.ask("GET", "/api/iot/keys/", limit="5", page="5"))["msg"]
    assert last["page"] == {"total_page": 5, "current_page": 5, "page_pieces": 5, "total_pieces": 23}
    assert [key["key_number"] for key in last["data"]] == [20, 21, 22]
    beyond = (await user.ask("GET", "/api/iot/keys/", page="9"))["msg"]
    assert beyond["data"] == []
    wrong = await user.ask("GET", "/api/iot/keys/", page="two")
    assert (wrong["status"], wrong["err"]) == (400003, "param 'page' is no number")


async def test_ten_thousand_messages_come_a_page_at_a_time(cloud: SimulatedCloud, user: Caller) -> None:
    lock = await user.made("/api/iot/iot_manage_view/", **LOCK)
    for number in range(10_000):
        row = {"user_id": 1, "info_id": lock, "category": "lock", "level": 1 + number % 3, "message_type": "x"}
        row |= {"flag": "y", "created_time": "2026", "occur_time": "2026-11-24 08:00:00", "content": ""}
        cloud.state.db.add("messages", row)
    page = (await user.ask("GET", "/api/iot/messages/", limit="50", page="200"))["msg"]
    assert (page["page"]["total_pieces"], len(page["data"])) == (10_000, 50)


async def test_a_path_or_a_method_that_is_none_is_http_s_business(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/iot/nothing/") as response:
        assert response.status == 404
    async with session.patch("/api/iot/keys/") as response:
        assert response.status == 405


async def test_the_clock_may_be_wrong() -> None:
    async with SimulatedCloud(now=lambda: NOW).serve() as cloud:
        cloud.register(USER, PASSWORD)
        async with aiohttp.ClientSession(cloud.base_url) as session:
            user = await logged_in(session, USER)
            for offset in (timedelta(), timedelta(hours=-7), timedelta(hours=30)):
                cloud.set_clock(offset)
                answer = await user.ask("GET", "/api/iot/get_timestamp/")
                assert answer["msg"]["data"]["timestamp"] == int((NOW + offset).timestamp())


async def test_it_comes_back_from_a_file_with_all_that_it_knew(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    async with SimulatedCloud(now=lambda: NOW, path=path).serve() as cloud:
        cloud.register(USER, PASSWORD)
        async with aiohttp.ClientSession(cloud.base_url) as session:
            await (await logged_in(session, USER)).made("/api/iot/iot_manage_view/", **LOCK)
        cloud.state.db.close()
    async with SimulatedCloud(now=lambda: NOW, path=path).serve() as cloud:
        assert [record["uuid"] for record in cloud.records(USER)] == [LOCK["uuid"]]


async def test_faults_meet_the_calls_that_they_are_for_and_no_more(cloud: SimulatedCloud, user: Caller) -> None:
    cloud.faults.fail("/api/iot/keys/", status=503, times=2)
    for expected in (503, 503, 200):
        headers = {"Authorization": f"Token {user.token}"}
        async with user.session.get("/api/iot/keys/", headers=headers) as response:
            assert response.status == expected
    cloud.faults.cut_after("/api/iot/iot_manage_view/")
    with pytest.raises(aiohttp.ClientError):
        await user.ask("POST", "/api/iot/iot_manage_view/", {"data": LOCK})
    assert len(cloud.records(USER)) == 1
    cloud.faults.cut_within("/api/iot/iot_manage_view/", at=5)
    with pytest.raises(aiohttp.ClientPayloadError):
        await user.ask("GET", "/api/iot/iot_manage_view/")
    cloud.faults.hang("/api/iot/get_timestamp/", seconds=0.001)
    assert (await user.ask("GET", "/api/iot/get_timestamp/"))["status"] == 200049


async def test_revoked_tokens_are_refused_until_somebody_logs_in_again(cloud: SimulatedCloud, user: Caller) -> None:
    cloud.revoke_tokens()
    assert (await user.ask("GET", "/api/iot/keys/"))["status"] == 400000
    again = await logged_in(user.session, USER)
    assert (await again.ask("GET", "/api/iot/keys/"))["status"] == 200033


async def test_a_record_is_in_the_cloud_once_whoever_has_it(cloud: SimulatedCloud, user: Caller) -> None:
    await user.made("/api/iot/iot_manage_view/", **LOCK)
    guest = await logged_in(user.session, GUEST)
    answer = await guest.ask("POST", "/api/iot/iot_manage_view/", {"data": LOCK})
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
async def test_a_part_of_a_batch_that_is_no_call_is_told_what_is_wrong(user: Caller, part: object, status: int) -> None:
    good = {"seq": "2", "method": "GET", "url": "https://x/api/iot/space/1/", "body": None}
    answer = await user.ask("POST", "/api/iot/patch/", {"data": [part, good]})
    assert [one["status_sub"] for one in answer["msg"]] == [status, 200022]
    assert answer["status"] == 200201


async def test_a_slash_at_the_end_makes_no_difference(user: Caller) -> None:
    lock = await user.made("/api/iot/iot_manage_view", **LOCK)
    for path in (f"/api/iot/iot_manage_view/{lock}", f"/api/iot/iot_manage_view/{lock}/"):
        assert (await user.ask("GET", path))["status"] == 200012
