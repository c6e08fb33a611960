"""The REST client against the simulated cloud over real HTTP: what it says, what it believes, what it tries again."""

import asyncio
import random

import pytest
from msgspec.structs import replace

from gatewayd.cloud.rest.batch import BatchPart
from gatewayd.cloud.rest.client import EXISTS, GONE, CloudClient, Credentials
from gatewayd.cloud.rest.errors import CloudUnavailableError, LoginRefusedError, RefusedByCloudError, UncertainError
from gatewayd.cloud.rest.messages import message_of
from gatewayd.cloud.rest.transport import MAX_ANSWER, Transport
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem
from gatewayd.model.record import Record, SensorParam
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import GATEWAY, LOCK, PASSWORD, USER, connected, created


async def test_a_record_is_created_changed_found_and_deleted(cloud: SimulatedCloud, client: CloudClient) -> None:
    id_ = await created(client)
    await client.records.update(replace(GATEWAY, id=id_, title="4K智能管家(USB)"))
    (kept,) = cloud.records(USER)
    assert (kept["title"], kept["type_sub"], kept["param"]["zgb_ver"]) == ("4K智能管家(USB)", "AA01GW-UG", "v1")
    (found,) = [record async for record in client.records.list(uuid=GATEWAY.uuid)]
    assert (found.id, found.title) == (id_, "4K智能管家(USB)")
    await client.records.delete(id_)
    assert cloud.records(USER) == []


async def test_every_page_is_read(cloud: SimulatedCloud, client: CloudClient) -> None:
    for number in range(120):
        uuid = Uuid(f"{number:016x}")
        await client.records.create(Record(uuid=uuid, category=Category.SENSOR, title="温", param=SensorParam()))
    assert len([record async for record in client.records.list()]) == 120


@pytest.mark.parametrize("there_are", [51, 60])  # of 51 the second page comes empty
async def test_rows_that_go_away_while_they_are_read_are_not_taken_for_all_there_are(
    client: CloudClient, there_are: int
) -> None:
    for number in range(there_are):
        uuid = Uuid(f"{number:016x}")
        await client.records.create(Record(uuid=uuid, category=Category.SENSOR, title="温", param=SensorParam()))
    reading = client.records.list()
    first = await anext(reading)
    assert first.id is not None
    await client.records.delete(first.id)
    with pytest.raises(CloudUnavailableError, match="1 rows went away"):
        [record async for record in reading]
    assert len([record async for record in client.records.list()]) == there_are - 1


async def test_ten_thousand_messages_are_read_one_page_at_a_time(cloud: SimulatedCloud, client: CloudClient) -> None:
    info_id = await created(client)
    row = {"user_id": 1, "info_id": info_id, "category": "gw", "level": 1, "message_type": "x", "flag": "y"}
    row |= {"created_time": "2026-11-24 08:00:00", "occur_time": "2026-11-24 08:00:00", "content": "…"}
    for _ in range(10_000):
        cloud.state.db.add("messages", row)
    before = len(cloud.requests)
    reading = client.messages.list(info_id=info_id)
    seen = {(await anext(reading)).id}
    assert len(cloud.requests) - before == 1
    seen |= {message.id async for message in reading}
    assert len(seen) == 10_000


async def test_refusals_are_told_apart(client: CloudClient) -> None:
    id_ = await created(client)
    with pytest.raises(RefusedByCloudError, match="设备已存在") as exists:
        await client.records.create(GATEWAY)
    await client.records.delete(id_)
    with pytest.raises(RefusedByCloudError, match="设备不存在") as gone:
        await client.records.delete(id_)
    assert (exists.value.code, gone.value.code) == (EXISTS, GONE)


def logins(cloud: SimulatedCloud) -> int:
    return sum(path.startswith("/api/accounts/login") for _, path, _ in cloud.requests)


async def test_an_account_that_the_cloud_does_not_know_is_registered(cloud: SimulatedCloud) -> None:
    async with connected(cloud, username="gw-new") as client:
        assert await client.service.timestamp() > 0
    assert "gw-new" in cloud.mqtt_accounts()


async def test_it_is_not_registered_where_that_is_turned_off(cloud: SimulatedCloud) -> None:
    async with connected(cloud, username="gw-new", register=False) as client:
        with pytest.raises(LoginRefusedError, match="not valid"):
            await client.service.timestamp()
    assert "gw-new" not in cloud.mqtt_accounts()


async def test_a_refused_token_is_renewed_once_and_never_in_a_loop(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.service.timestamp()
    cloud.revoke_tokens()
    await client.service.timestamp()
    assert logins(cloud) == 2
    refused = '{"msg": {}, "status": 400000, "desc": "认证令牌无效。"}'
    cloud.faults.answer("/api/iot/get_timestamp/", refused, times=10)
    with pytest.raises(LoginRefusedError, match="认证令牌无效"):
        await client.service.timestamp()
    assert logins(cloud) == 3


async def test_a_token_that_is_refused_between_two_pages_is_renewed_and_no_row_is_missing(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    for number in range(120):
        uuid = Uuid(f"{number:016x}")
        await client.records.create(Record(uuid=uuid, category=Category.SENSOR, title="温", param=SensorParam()))
    reading = client.records.list()
    seen = [(await anext(reading)).uuid]
    cloud.revoke_tokens()
    seen += [record.uuid async for record in reading]
    assert seen == [f"{number:016x}" for number in range(120)]
    assert logins(cloud) == 2


async def test_a_token_that_is_refused_for_a_batch_is_renewed_and_each_part_done_once(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    await client.log_in()
    cloud.revoke_tokens()
    parts = [BatchPart(name="records.create", about=GATEWAY), BatchPart(name="records.create", about=LOCK)]
    assert [one.error for one in await client.batch.send(parts)] == [None, None]
    assert len(cloud.records(USER)) == 2


async def test_many_calls_that_are_refused_at_once_log_in_once(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.revoke_tokens()
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.service.timestamp()) for _ in range(8)]
    assert all(one.result() > 0 for one in asked)
    assert logins(cloud) == 2


async def test_a_token_that_http_refuses_is_renewed_too(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.fail("/api/iot/get_timestamp/", status=401)
    assert await client.service.timestamp() > 0
    assert logins(cloud) == 2


async def test_a_wrong_password_is_said_without_being_shown(cloud: SimulatedCloud) -> None:
    async with connected(cloud, password="hunter22") as client:
        with pytest.raises(LoginRefusedError, match="Invalid credentials") as refused:
            await client.service.timestamp()
    assert "hunter22" not in str(refused.value)
    assert "hunter22" not in repr(Credentials(USER, "hunter22"))


async def test_a_refused_login_is_not_repeated_at_once_whoever_asks(cloud: SimulatedCloud) -> None:
    async with connected(cloud, password="hunter22") as client:
        for call in (client.service.timestamp, client.log_in, client.accounts.profile):
            with pytest.raises(LoginRefusedError, match="Invalid credentials"):
                await call()
        assert logins(cloud) == 1
        with pytest.raises(LoginRefusedError, match=r"asked again in \d+ s"):
            await client.records.create(GATEWAY)


async def test_a_login_that_is_let_in_again_goes_on_by_itself(cloud: SimulatedCloud) -> None:
    async with connected(cloud, login_pause_s=0.05) as client:
        cloud.state.db.change("accounts", 1, {"is_active": False})
        with pytest.raises(LoginRefusedError, match="not active"):
            await client.service.timestamp()
        cloud.state.db.change("accounts", 1, {"is_active": True})
        await asyncio.sleep(0.1)
        assert await client.service.timestamp() > 0


@pytest.mark.parametrize(
    "body",
    [
        "<html>Bad Gateway</html>",
        "",
        "[]",
        '{"status": "ok"}',
        '{"msg": {"data": {}}, "desc": "no status"}',
        '{"msg": {"data": {"timestamp": "soon"}}, "status": 200049, "desc": ""}',
        '{"msg": null, "status": 200049, "desc": ""}',
        '{"msg": {}, "status": 299999, "desc": "又是新的"}',
        "x" * (MAX_ANSWER + 1),
    ],
)
async def test_an_answer_that_is_none_is_an_error_that_names_the_call(
    cloud: SimulatedCloud, client: CloudClient, body: str
) -> None:
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=3)
    with pytest.raises(CloudError, match="/api/iot/get_timestamp/"):
        await client.service.timestamp()


async def test_an_answer_that_is_none_is_shown_where_it_is_a_page_and_nowhere_else(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    cloud.faults.answer("/api/accounts/login/", '{"token": "811d00a468a3a1f8"}', times=3)
    with pytest.raises(CloudUnavailableError, match="29 bytes") as half:
        await client.log_in()
    assert "811d00" not in str(half.value)
    cloud.faults.fail("/api/accounts/login/", status=404, times=3)
    with pytest.raises(CloudUnavailableError, match=r"<html>.*is `\[cloud\] base_url` right\?"):
        await client.log_in()


async def test_a_server_that_fails_is_tried_again(cloud: SimulatedCloud, client: CloudClient) -> None:
    cloud.faults.fail("/api/iot/get_timestamp/", status=502, times=2)
    assert await client.service.timestamp() > 0


async def test_a_login_that_fails_is_tried_again_and_leaves_a_post_unsent_not_uncertain(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    cloud.faults.fail("/api/accounts/login/", status=502, times=3)
    with pytest.raises(CloudUnavailableError) as unsent:
        await client.records.create(GATEWAY)
    assert not isinstance(unsent.value, UncertainError)
    assert cloud.records(USER) == []
    cloud.faults.cut_after("/api/accounts/login/")
    await client.records.create(GATEWAY)
    assert len(cloud.records(USER)) == 1


async def test_a_post_without_an_answer_is_uncertain_and_not_sent_again(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    await client.service.timestamp()
    cloud.faults.cut_after("/api/iot/iot_manage_view/")
    with pytest.raises(UncertainError):
        await client.records.create(GATEWAY)
    assert len(cloud.records(USER)) == 1
    posts = [request for request in cloud.requests if request[0] == "POST" and "iot_manage_view" in request[1]]
    assert len(posts) == 1


async def test_a_cloud_that_is_not_there_is_said_to_be() -> None:
    transport = Transport("http://127.0.0.1:9", chance=random.Random(1), first_pause_s=0.01)
    async with CloudClient.connect(transport, Credentials(USER, PASSWORD)) as client:
        with pytest.raises(CloudUnavailableError, match="cannot connect"):
            await client.service.timestamp()


async def test_messages_that_look_alike_are_counted(client: CloudClient) -> None:
    info_id = await created(client)
    message = MessageItem(
        uuid=GATEWAY.uuid,
        message_type="operation_info",
        flag="password_unlock",
        level=1,
        occur_time="2026-11-24 08:00",
    )
    for _ in range(3):
        await client.messages.create(message_of(info_id, message))
    await client.messages.create(message_of(info_id, replace(message, flag="card_unlock")))
    assert await client.messages.count_like(info_id, message) == 3


async def test_call_after_the_client_is_closed_is_unavailable(cloud: SimulatedCloud) -> None:
    async with connected(cloud) as client:
        await created(client)
    with pytest.raises(CloudUnavailableError, match="closed"):
        await created(client)
