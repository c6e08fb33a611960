"""Requests over a real broker: executed once and answered once, or refused with the status that fits."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from gatewayd.cloud.mqtt.envelope import MAX_PAYLOAD
from gatewayd.cloud.mqtt.request_listener import RequestListener
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage, ReceivedMqttMessage
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.commands.executor import MIN_REMAINING_S
from gatewayd.model.api_time import format_api_time
from gatewayd.model.errors import DeviceUnreachableError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import Route
from gatewayd.model.record import SwitchParam
from gatewayd.model.request import Query, Request
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.broker import Broker
from tests.common.cloud import GATEWAY, GUEST, LOCK, OWNER, PASSWORD, SWITCH, ZONE, Gateway, now, running

ON = {"operate": 1, "operate_channel_id": 1}


def stamp(seconds: int) -> str:
    """The time that many seconds ago, as the API writes it."""
    return format_api_time(now() - timedelta(seconds=seconds), ZONE)


async def ask_switch(phone: AppClient, **fields: object) -> ReceivedMessage:
    return await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param=ON, **fields)


def about(sn: str, seen: ReceivedMessage) -> bool:
    return seen.sn == sn and not (seen.meaning is not None and seen.meaning.is_request)


async def test_request_gets_progress_and_then_one_final_answer(gateway: Gateway, phone: AppClient) -> None:
    answer = await ask_switch(phone, sn="sn-1")
    assert answer.meaning is OperationStatus.CONTROLLED
    assert answer.msg["uuid"] == SWITCH
    await ask_switch(phone, sn="sn-2")
    statuses = [seen.meaning for seen in phone.received if about("sn-1", seen)]
    assert statuses == [OperationStatus.CONTROLLING, OperationStatus.CONTROLLED]
    assert gateway.bench.ran == ["sn-1", "sn-2"]


async def test_repeated_request_gets_the_stored_answer_and_is_not_executed(gateway: Gateway, phone: AppClient) -> None:
    await ask_switch(phone, sn="same")
    again = asyncio.get_running_loop().time()
    await phone.send(Category.SWITCH, SWITCH, ExecType.CONTROL, sn="same", param=ON)
    repeated = await phone.expect(lambda seen: seen.sn == "same" and seen.is_final_answer, since=again)
    assert repeated.meaning is OperationStatus.CONTROLLED
    assert gateway.bench.ran == ["same"]


async def test_same_sn_to_another_device_is_another_request(gateway: Gateway, phone: AppClient) -> None:
    for category, uuid, param in ((Category.SWITCH, SWITCH, ON), (Category.LOCK, LOCK, {"operate": 0})):
        await phone.send(category, uuid, ExecType.CONTROL, sn="5", param=param)
        await phone.expect(lambda seen, uuid=uuid: uuid in seen.topic and seen.sn == "5" and seen.is_final_answer)  # type: ignore[misc]
    assert gateway.bench.ran == ["5", "5"]


async def test_same_sn_of_another_phone_is_another_request(gateway: Gateway, phone: AppClient, broker: Broker) -> None:
    await ask_switch(phone, sn="1", create_time=stamp(0))
    async with AppClient.connect(broker.host, broker.port, OWNER, PASSWORD, name="tablet") as other:
        await ask_switch(other, sn="1", create_time=stamp(1))
    assert gateway.bench.ran == ["1", "1"]


async def test_number_as_sn_is_answered_as_a_number(gateway: Gateway, phone: AppClient) -> None:
    payload = {"msg": {"sn": 7, "param": ON}, "status": 200503, "desc": "请求控制设备"}
    await phone.publish("switch", SWITCH, "control", msgspec.json.encode(payload))
    answer = await phone.expect(lambda seen: seen.sn == 7 and seen.is_final_answer)
    assert answer.meaning is OperationStatus.CONTROLLED


async def test_request_repeated_while_it_runs_is_executed_and_answered_once(gateway: Gateway, phone: AppClient) -> None:
    gateway.bench.gate.clear()
    for _ in range(3):
        await phone.send(Category.SWITCH, SWITCH, ExecType.CONTROL, sn="busy", param=ON)
    await phone.expect(lambda seen: seen.sn == "busy" and seen.meaning is OperationStatus.CONTROLLING)
    gateway.bench.gate.set()
    await ask_switch(phone, sn="next")
    assert gateway.bench.ran == ["busy", "next"]


async def test_requests_of_one_device_run_in_order_and_those_of_others_beside_them(
    gateway: Gateway, phone: AppClient
) -> None:
    gateway.bench.gate.clear()
    for sn in ("first", "second"):
        await phone.send(Category.SWITCH, SWITCH, ExecType.CONTROL, sn=sn, param=ON)
    await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, sn="other", param={"operate": 0})
    await phone.expect(lambda seen: seen.sn == "other" and seen.meaning is OperationStatus.CONTROLLING)
    assert gateway.bench.ran == ["first", "other"]
    gateway.bench.gate.set()
    await phone.expect(lambda seen: seen.sn == "second" and seen.is_final_answer)
    assert gateway.bench.ran == ["first", "other", "second"]


async def test_request_queued_until_its_deadline_is_refused_and_not_executed(
    broker: Broker, phone: AppClient, tmp_path: Path
) -> None:
    async with running(broker, tmp_path / "house.db", deadline_s=MIN_REMAINING_S + 0.5) as gateway:
        await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.NORMAL)
        gateway.bench.gate.clear()
        for sn in ("slow", "waiting"):
            await phone.send(Category.SWITCH, SWITCH, ExecType.CONTROL, sn=sn, param=ON)
        for sn in ("waiting", "slow"):
            final = await phone.expect(lambda seen, sn=sn: seen.sn == sn and seen.is_final_answer)  # type: ignore[misc]
            assert final.meaning is OperationStatus.NODE_NOT_RESPONDING
        assert gateway.bench.ran == ["slow"]
        gateway.bench.gate.set()
        assert (await ask_switch(phone)).meaning is OperationStatus.CONTROLLED


async def test_executed_request_is_answered_when_the_journal_cannot_be_written(
    gateway: Gateway, phone: AppClient
) -> None:
    async def let_write(allowed: bool) -> None:
        await gateway.store.database.read(lambda raw: raw.execute(f"PRAGMA query_only = {not allowed}"))

    gateway.bench.gate.clear()
    sn = await phone.send(Category.SWITCH, SWITCH, ExecType.CONTROL, param=ON)
    await phone.expect(lambda seen: seen.sn == sn and seen.meaning is OperationStatus.CONTROLLING)
    await let_write(False)
    gateway.bench.gate.set()
    await phone.expect(lambda seen: seen.sn == sn and seen.meaning is OperationStatus.CONTROLLED)
    assert (await ask_switch(phone)).meaning is OperationStatus.LOCAL_STORAGE_ERROR
    await let_write(True)
    assert (await ask_switch(phone)).meaning is OperationStatus.CONTROLLED


async def test_retained_unlock_is_not_executed(broker: Broker, phone: AppClient, tmp_path: Path) -> None:
    await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, sn="old", retain=True, param={"operate": 1})
    async with running(broker, tmp_path / "house.db") as gateway:
        await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.NORMAL)
        answer = await ask_switch(phone, sn="new")
        assert answer.meaning is OperationStatus.CONTROLLED
        assert gateway.bench.ran == ["new"]


async def test_request_too_old_by_the_clouds_clock_is_refused(gateway: Gateway, phone: AppClient) -> None:
    answer = await ask_switch(phone, create_time="2018-04-12 12:01:02")
    assert answer.meaning is OperationStatus.FAILED
    assert gateway.bench.ran == []


async def test_guest_may_query_and_not_control_whatever_perm_he_sends(gateway: Gateway, broker: Broker) -> None:
    async with AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest:
        refused = await ask_switch(guest, perm=7)
        assert refused.meaning is OperationStatus.PERMISSION_DENIED
        looked = await guest.request(Category.SWITCH, SWITCH, ExecType.QUERY)
        assert looked.meaning is OperationStatus.CONTROLLED  # what the bench says to everything
    assert len(gateway.bench.ran) == 1


async def test_silent_device_is_answered_as_not_responding(gateway: Gateway, phone: AppClient) -> None:
    gateway.bench.failing = DeviceUnreachableError("no answer")
    assert (await ask_switch(phone)).meaning is OperationStatus.NODE_NOT_RESPONDING


async def test_exception_in_a_handler_is_answered_and_the_next_request_executed(
    gateway: Gateway, phone: AppClient
) -> None:
    gateway.bench.failing = ZeroDivisionError("a bug")
    assert (await ask_switch(phone)).meaning is OperationStatus.UNKNOWN_ERROR
    gateway.bench.failing = None
    assert (await ask_switch(phone)).meaning is OperationStatus.CONTROLLED


async def test_request_whose_uuid_differs_from_its_topic_is_refused(gateway: Gateway, phone: AppClient) -> None:
    foreign = {"sn": "sn-7", "uuid": "f" * 16, "param": ON}
    payload = {"msg": foreign, "status": 200503, "desc": "请求控制设备"}
    await phone.publish("switch", SWITCH, "control", msgspec.json.encode(payload))
    answer = await phone.expect(lambda seen: seen.sn == "sn-7" and seen.is_final_answer)
    assert answer.meaning is OperationStatus.BAD_PARAMETERS


@pytest.mark.parametrize(
    ("payload", "answered"),
    [
        (b"hello", False),
        (b"\xff\xfe{}", False),
        (b"[]", False),
        (b'{"msg": 7}', False),
        (b'{"msg": {"param": {"operate": 1}}, "status": 200503, "desc": "\xe8\xaf\xb7\xe6\xb1\x82"}', False),
        (b'{"msg": {"sn": "bad", "param": {"operate": 9}}, "status": 200401, "desc": ""}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": "on"}}}', True),
        (b'{"msg": {"sn": "bad", "param": []}}', True),
        (b'{"msg": {"sn": "bad"}, "status": "x"}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": "200503", "desc": "\xe8\xaf\xb7"}', False),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": "200401"}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": null}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": 200503, "desc": null}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": 200503, "desc": 7}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}}, "status": "200601", "desc": null}', False),
        (b'{"msg": {"sn": "bad", "create_time": "0001-01-01 00:00"}}', True),
        (b'{"msg": {"sn": "bad", "param": {"operate": 1}', True),
        (b'{"msg": {"sn": "bad", "param": ' + b"[" * 3000, True),
        (b'{"msg": {"sn": "bad", "x": "\xff"}}', True),
        (b'{"msg": {"sn": "bad", "pad": "' + b"x" * MAX_PAYLOAD + b'"}}', True),
    ],
)
async def test_unreadable_request_is_counted_and_answered_where_it_has_a_sn(
    gateway: Gateway, phone: AppClient, payload: bytes, *, answered: bool
) -> None:
    await phone.publish("switch", SWITCH, "control", payload)
    if answered:
        answer = await phone.expect(lambda seen: seen.sn == "bad" and seen.is_final_answer)
        assert answer.meaning is OperationStatus.BAD_PARAMETERS
    assert (await ask_switch(phone, sn="after")).meaning is OperationStatus.CONTROLLED
    assert gateway.bench.ran == ["after"]
    answers = [seen for seen in phone.received if seen.is_final_answer and seen.sn == "bad"]
    assert len(answers) == int(answered)


@pytest.mark.parametrize(
    "sn",
    ["1.5", "1.0", "9223372036854775808", "9" * 400, '"' + "x" * 10_000 + '"', "true", "[]", "{}", '""'],
    ids=lambda sn: sn[:20],
)
async def test_request_with_an_odd_sn_is_refused_with_that_sn(gateway: Gateway, phone: AppClient, sn: str) -> None:
    payload = f'{{"msg":{{"sn":{sn},"param":{{"operate":1}}}},"status":200503,"desc":"请求控制设备"}}'
    await phone.publish("switch", SWITCH, "control", payload.encode())
    answer = await phone.expect(lambda seen: seen.meaning is OperationStatus.BAD_PARAMETERS)
    assert answer.msg == json.loads(f'{{"sn":{sn}}}')
    assert gateway.bench.ran == []


async def test_update_changes_title_and_room_and_is_put_in_the_outbox(gateway: Gateway, phone: AppClient) -> None:
    answer = await phone.request(Category.SWITCH, SWITCH, ExecType.UPDATE, title="客厅灯", param={"room_id": 3})
    assert answer.meaning is OperationStatus.UPDATED
    record = gateway.store.mirror.get(SWITCH)
    assert record is not None
    assert isinstance(record.param, SwitchParam)
    assert (record.title, record.param.room_id) == ("客厅灯", 3)
    assert (await gateway.store.outbox.depth())[Route.REST] == 1


async def test_request_interrupted_by_a_crash_is_answered_after_the_restart(
    broker: Broker, phone: AppClient, tmp_path: Path
) -> None:
    async with running(broker, tmp_path / "house.db") as gateway:
        request = Request(OWNER, Category.SWITCH, Uuid(SWITCH), ExecType.CONTROL, "cut", Query(), identity=b"cut")
        await gateway.store.journal.begin(request)
    async with running(broker, tmp_path / "house.db") as gateway:
        answer = await phone.expect(lambda seen: seen.sn == "cut" and seen.is_final_answer)
        assert answer.meaning is OperationStatus.FAILED
        await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.NORMAL)
        assert (await ask_switch(phone, sn="cut")).meaning is OperationStatus.FAILED
        assert gateway.bench.ran == []


async def test_gateway_is_published_as_normal_and_after_its_end_as_offline(
    broker: Broker, phone: AppClient, tmp_path: Path
) -> None:
    async with running(broker, tmp_path / "house.db"):
        there = await phone.expect(lambda seen: GATEWAY in seen.topic)
        assert there.meaning is OperationStatus.NORMAL
    gone = await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.OFFLINE)
    assert gone.msg["uuid"] == GATEWAY


class Line(MqttConnection):
    """A connection on which one message arrives."""

    def __init__(self, message: ReceivedMqttMessage) -> None:
        self._message = message
        self.published: list[MqttMessage] = []

    async def messages(self) -> AsyncIterator[ReceivedMqttMessage]:
        for _ in range(2):
            yield self._message

    def publish_soon(self, message: MqttMessage) -> None:
        self.published.append(message)


async def test_unexpected_exception_is_answered_and_ends_the_handling_of_that_message_alone() -> None:
    async def submit(_request: Request, _reply: object) -> None:
        raise ZeroDivisionError("a bug")

    async def no_change(_topic: Topic) -> bool:
        return False

    listener = RequestListener(submit, zone=ZONE, access_changed=no_change)
    line = Line(
        ReceivedMqttMessage(f"{OWNER}/switch/{SWITCH}/query", b'{"msg": {"sn": 7}}', retained=False, sent_after=0.0)
    )
    await listener.serve(line)
    answers = [msgspec.json.decode(message.payload) for message in line.published]
    assert [(one["msg"]["sn"], one["desc"]) for one in answers] == 2 * [(7, OperationStatus.UNKNOWN_ERROR.desc)]
    assert listener.counters["crashed"] == 2
