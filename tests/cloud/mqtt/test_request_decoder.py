"""Requests that remove something, or mean a sync: what a payload's param says, and what it must not be taken for."""

from dataclasses import replace
from datetime import UTC
from typing import Any

import msgspec
import pytest

from gatewayd.cloud.mqtt.envelope import read_envelope
from gatewayd.cloud.mqtt.request_decoder import decode_request, is_sync_request
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.model.errors import GatewayError
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.request import Action, RemoveDevice, RemoveKey
from gatewayd.model.status import OperationStatus

DELETE_LOCK = Topic("owner", Category.LOCK, Uuid("00158d0003b00001"), ExecType.DELETE)
UPDATE_GATEWAY = Topic("owner", Category.GATEWAY, Uuid("00158d0000d04700"), ExecType.UPDATE)


def payload(status: OperationStatus, **fields: Any) -> bytes:
    return msgspec.json.encode({"msg": {"sn": "1", **fields}, "status": status.code, "desc": status.desc})


def deletion(**fields: Any) -> Action:
    body = payload(OperationStatus.DELETE_REQUESTED, **fields)
    return decode_request(DELETE_LOCK, read_envelope(body), body, UTC).action


@pytest.mark.parametrize("fields", [{}, {"param": {}}, {"param": None}])
def test_empty_param_removes_the_lock(fields: dict[str, Any]) -> None:
    assert deletion(**fields) == RemoveDevice()


@pytest.mark.parametrize("name", ["keyid", "key_id"])
def test_key_id_removes_that_key(name: str) -> None:
    assert deletion(param={name: 3}) == RemoveKey(3)


@pytest.mark.parametrize(
    "param",
    [
        {"keyid": None},
        {"keyid": "3"},
        {"keyid": 0},
        {"keyid": True},
        {"keyid": 3.5},
        {"keyId": 3},
        {"kyeid": 3},
        {"keyid": 3, "key_id": 4},
        {"keyid": 3, "name": "妈妈"},
        {"title": "门"},
        [],
        "",
        0,
        [3],
    ],
)
def test_anything_else_removes_nothing(param: object) -> None:
    with pytest.raises(GatewayError) as error:
        deletion(param=param)
    assert error.value.status is OperationStatus.BAD_PARAMETERS


@pytest.mark.parametrize(
    ("fields", "is_sync"),
    [
        ({}, True),
        ({"param": {}}, True),
        ({"param": None, "title": ""}, True),
        ({"title": "网关"}, False),
        ({"param": {"room_id": 3}}, False),
    ],
)
def test_empty_update_of_the_gateway_means_a_sync(fields: dict[str, Any], *, is_sync: bool) -> None:
    body = payload(OperationStatus.UPDATE_REQUESTED, **fields)
    assert is_sync_request(UPDATE_GATEWAY, read_envelope(body)) is is_sync


REQUESTS = [status for status in OperationStatus if status.is_request]


@pytest.mark.parametrize("status", REQUESTS)
@pytest.mark.parametrize("exectype", ExecType)
def test_status_that_asks_for_something_else_than_the_topic_is_refused(
    status: OperationStatus, exectype: ExecType
) -> None:
    """The topic decides; `update` and `set` mean the same, and a `query` changes nothing whatever its status."""
    allowed = {
        ExecType.CREATE: {OperationStatus.CREATE_REQUESTED, OperationStatus.JOINING_REQUESTED},
        ExecType.UPDATE: {OperationStatus.UPDATE_REQUESTED, OperationStatus.SET_REQUESTED},
        ExecType.SET: {OperationStatus.UPDATE_REQUESTED, OperationStatus.SET_REQUESTED},
        ExecType.CONTROL: {OperationStatus.CONTROL_REQUESTED},
        ExecType.DELETE: {OperationStatus.DELETE_REQUESTED},
        ExecType.QUERY: set(REQUESTS),
    }
    params = {ExecType.CONTROL: {"operate": 1}, ExecType.CREATE: {"key_name": "妈妈"}, ExecType.DELETE: {"keyid": 1}}
    body = payload(status, title="门", param=params.get(exectype, {}))
    topic = replace(DELETE_LOCK, exectype=exectype)
    if status in allowed[exectype]:
        decode_request(topic, read_envelope(body), body, UTC)
        return
    with pytest.raises(GatewayError) as error:
        decode_request(topic, read_envelope(body), body, UTC)
    assert error.value.status is OperationStatus.BAD_PARAMETERS


@pytest.mark.parametrize("tail", [{}, {"status": 200401, "desc": "x"}, {"status": 200401, "desc": "请求删除信息"}])
def test_other_statuses_contradict_no_topic(tail: dict[str, Any]) -> None:
    body = msgspec.json.encode({"msg": {"sn": "1", "param": {"operate": 1}}, **tail})
    decode_request(replace(DELETE_LOCK, exectype=ExecType.CONTROL), read_envelope(body), body, UTC)
