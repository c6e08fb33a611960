"""Requests that remove something, or mean a sync: what a payload's param says, and what it must not be taken for."""

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
