"""The REST client against the simulated cloud over real HTTP: lists, tokens and logins, retries, unreadable answers."""

import asyncio
import random

import pytest
from msgspec.structs import replace

from gatewayd.backoff import Backoff
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.errors import (
    AlreadyExistsError,
    CloudUnavailableError,
    LoginRefusedError,
    NotFoundError,
    UncertainError,
)
from gatewayd.cloud.rest.messages import cloud_message
from gatewayd.cloud.rest.transport import MAX_ANSWER_BYTES, Transport
from gatewayd.model.errors import CloudError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.outbox_items import MessageItem
from gatewayd.model.record import Record, SensorParam
from gatewayd.model.rest_status import DEVICE_NOT_FOUND
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import GATEWAY, LOCK, PASSWORD, SHORT_BACKOFF, USER, connect_client, create_record


async def create_sensors(client: CloudClient, count: int) -> None:
    for number in range(count):
        uuid = Uuid(f"{number:016x}")
        await client.records.create(Record(uuid=uuid, category=Category.SENSOR, title="温", param=SensorParam()))


def count_logins(cloud: SimulatedCloud) -> int:
    return sum(path.startswith("/api/accounts/login") for _, path, _ in cloud.requests)


async def test_record_is_created_updated_listed_and_deleted(cloud: SimulatedCloud, client: CloudClient) -> None:
    id_ = await create_record(client)
    await client.records.update(replace(GATEWAY, id=id_, title="4K智能管家(USB)"))
    (stored,) = cloud.records(USER)
    assert (stored["title"], stored["type_sub"], stored["param"]["zgb_ver"]) == ("4K智能管家(USB)", "AA01GW-UG", "v1")
    (found,) = [record async for record in client.records.list(uuid=GATEWAY.uuid)]
    assert (found.id, found.title) == (id_, "4K智能管家(USB)")
    await client.records.delete(id_)
    assert cloud.records(USER) == []


async def test_list_reads_every_page(cloud: SimulatedCloud, client: CloudClient) -> None:
    await create_sensors(client, 120)
    assert len([record async for record in client.records.list()]) == 120


@pytest.mark.parametrize("count", [51, 60])  # of 51 the second page is empty then
async def test_list_fails_when_rows_are_deleted_while_it_is_read(client: CloudClient, count: int) -> None:
    await create_sensors(client, count)
    rows = client.records.list()
    first = await anext(rows)
    assert first.id is not None
    await client.records.delete(first.id)
    with pytest.raises(CloudUnavailableError, match="1 rows were deleted"):
        [record async for record in rows]
    assert len([record async for record in client.records.list()]) == count - 1


async def test_list_of_ten_thousand_messages_reads_one_page_at_a_time(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    info_id = await create_record(client)
    row = {"user_id": 1, "info_id": info_id, "category": "gw", "level": 1, "message_type": "x", "flag": "y"}
    row |= {"created_time": "2026-11-24 08:00:00", "occur_time": "2026-11-24 08:00:00", "content": "…"}
    for _ in range(10_000):
        cloud.state.db.add("messages", row)
    before = len(cloud.requests)
    rows = client.messages.list(info_id=info_id)
    ids = {(await anext(rows)).id}
    assert len(cloud.requests) - before == 1
    ids |= {message.id async for message in rows}
    assert len(ids) == 10_000


async def test_refusals_are_distinguished_by_code(client: CloudClient) -> None:
    id_ = await create_record(client)
    with pytest.raises(AlreadyExistsError, match="设备已存在"):
        await client.records.create(GATEWAY)
    await client.records.delete(id_)
    with pytest.raises(NotFoundError, match="设备不存在") as refused:
        await client.records.delete(id_)
    assert refused.value.code == DEVICE_NOT_FOUND


async def test_unknown_account_is_registered(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud, username="gw-new") as client:
        assert await client.service.timestamp() > 0
    assert "gw-new" in cloud.mqtt_accounts()


async def test_unknown_account_is_not_registered_when_disabled(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud, username="gw-new", register=False) as client:
        with pytest.raises(LoginRefusedError, match="not valid"):
            await client.service.timestamp()
    assert "gw-new" not in cloud.mqtt_accounts()


async def test_time_is_asked_for_at_another_address_each_time_since_a_cache_would_answer_with_an_old_one(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    for _ in range(3):
        await client.service.timestamp()
    assert len({path for _method, path, _status in cloud.requests if "get_timestamp" in path}) == 3


async def test_refused_token_is_renewed_once(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.service.timestamp()
    cloud.revoke_tokens()
    await client.service.timestamp()
    assert count_logins(cloud) == 2
    refused = '{"msg": {}, "status": 400000, "desc": "认证令牌无效。"}'
    cloud.faults.answer("/api/iot/get_timestamp/", refused, times=10)
    with pytest.raises(LoginRefusedError, match="认证令牌无效"):
        await client.service.timestamp()
    assert count_logins(cloud) == 3


async def test_token_refused_between_two_pages_is_renewed_and_no_row_is_missing(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    await create_sensors(client, 120)
    rows = client.records.list()
    uuids = [(await anext(rows)).uuid]
    cloud.revoke_tokens()
    uuids += [record.uuid async for record in rows]
    assert uuids == [f"{number:016x}" for number in range(120)]
    assert count_logins(cloud) == 2


async def test_token_refused_for_a_batch_is_renewed_and_each_part_executed_once(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    await client.log_in()
    cloud.revoke_tokens()
    parts = [RestCall(name="records.create", body=GATEWAY), RestCall(name="records.create", body=LOCK)]
    assert [one.error for one in await client.batch.send(parts)] == [None, None]
    assert len(cloud.records(USER)) == 2


async def test_many_calls_refused_at_once_cause_one_login(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.revoke_tokens()
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(client.service.timestamp()) for _ in range(8)]
    assert all(call.result() > 0 for call in calls)
    assert count_logins(cloud) == 2


async def test_token_refused_by_http_is_renewed(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.fail("/api/iot/get_timestamp/", status=401)
    assert await client.service.timestamp() > 0
    assert count_logins(cloud) == 2


async def test_wrong_password_is_reported_without_being_shown(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud, password="hunter22") as client:
        with pytest.raises(LoginRefusedError, match="Invalid credentials") as refused:
            await client.service.timestamp()
    assert "hunter22" not in str(refused.value)
    assert "hunter22" not in repr(Credentials(USER, "hunter22"))


async def test_refused_login_is_not_repeated_before_the_pause_ends(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud, password="hunter22") as client:
        for call in (client.service.timestamp, client.log_in, client.accounts.profile):
            with pytest.raises(LoginRefusedError, match="Invalid credentials"):
                await call()
        assert count_logins(cloud) == 1
        with pytest.raises(LoginRefusedError, match=r"asked again in \d+ s"):
            await client.records.create(GATEWAY)


async def test_login_is_repeated_after_the_pause(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud, login_backoff=Backoff(0.05, 0.05)) as client:
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
        "x" * (MAX_ANSWER_BYTES + 1),
    ],
)
async def test_unreadable_answer_is_an_error_that_names_the_call(
    cloud: SimulatedCloud, client: CloudClient, body: str
) -> None:
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=3)
    with pytest.raises(CloudError, match="/api/iot/get_timestamp/"):
        await client.service.timestamp()


async def test_unreadable_answer_is_quoted_only_when_it_is_a_web_page(
    cloud: SimulatedCloud, client: CloudClient
) -> None:
    cloud.faults.answer("/api/accounts/login/", '{"token": "811d00a468a3a1f8"}', times=3)
    with pytest.raises(CloudUnavailableError, match="29 bytes") as unreadable:
        await client.log_in()
    assert "811d00" not in str(unreadable.value)
    cloud.faults.fail("/api/accounts/login/", status=404, times=3)
    with pytest.raises(CloudUnavailableError, match=r"<html>.*is `\[cloud\] base_url` right\?"):
        await client.log_in()


async def test_server_error_is_retried(cloud: SimulatedCloud, client: CloudClient) -> None:
    cloud.faults.fail("/api/iot/get_timestamp/", status=502, times=2)
    assert await client.service.timestamp() > 0


async def test_failed_login_is_retried_and_leaves_a_post_unsent(cloud: SimulatedCloud, client: CloudClient) -> None:
    cloud.faults.fail("/api/accounts/login/", status=502, times=3)
    with pytest.raises(CloudUnavailableError) as unsent:
        await client.records.create(GATEWAY)
    assert not isinstance(unsent.value, UncertainError)
    assert cloud.records(USER) == []
    cloud.faults.cut_after("/api/accounts/login/")
    await client.records.create(GATEWAY)
    assert len(cloud.records(USER)) == 1


async def test_post_without_answer_is_uncertain_and_not_repeated(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.service.timestamp()
    cloud.faults.cut_after("/api/iot/iot_manage_view/")
    with pytest.raises(UncertainError):
        await client.records.create(GATEWAY)
    assert len(cloud.records(USER)) == 1
    posts = [request for request in cloud.requests if request[0] == "POST" and "iot_manage_view" in request[1]]
    assert len(posts) == 1


async def test_unreachable_cloud_is_reported() -> None:
    transport = Transport("http://127.0.0.1:9", chance=random.Random(1), backoff=SHORT_BACKOFF)
    async with CloudClient.connect(transport, Credentials(USER, PASSWORD)) as client:
        with pytest.raises(CloudUnavailableError, match="cannot connect"):
            await client.service.timestamp()


async def test_same_messages_are_counted(client: CloudClient) -> None:
    info_id = await create_record(client)
    message = MessageItem(
        uuid=GATEWAY.uuid,
        message_type="operation_info",
        flag="password_unlock",
        level=1,
        occur_time="2026-11-24 08:00",
    )
    for _ in range(3):
        await client.messages.create(cloud_message(info_id, message))
    await client.messages.create(cloud_message(info_id, replace(message, flag="card_unlock")))
    assert await client.messages.count_same(info_id, message) == 3


async def test_call_after_the_client_is_closed_is_unavailable(cloud: SimulatedCloud) -> None:
    async with connect_client(cloud) as client:
        await create_record(client)
    with pytest.raises(CloudUnavailableError, match="closed"):
        await create_record(client)
