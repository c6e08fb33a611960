"""The seven levels of §7 over every exectype and every kind of device, asked for over a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gatewayd.cloud.access_control import AccessControl
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.permission import NEEDED, Grant, Permission, may
from gatewayd.model.record import PARAM_OF, Record
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.store.store import Store
from tests.common.cloud import GUEST, OWNER, PASSWORD, SWITCH, Gateway, running

KINDS = (
    *(Category.GATEWAY, Category.SWITCH, Category.LOCK, Category.SOCKET),
    *(Category.CURTAIN, Category.SENSOR, Category.PANEL),
)
DEVICES = tuple(
    Record(uuid=Uuid(f"00158d00ff00000{number}"), category=kind, title="甲", id=number, param=PARAM_OF[kind]())
    for number, kind in enumerate(KINDS, 1)
)
ON: dict[str, Any] = {"param": {"operate": 1}}

# What can be asked of a kind at all, and how it is asked; anything else is 请求设备参数错误 for everybody.
ASKED: dict[tuple[Category | None, ExecType], dict[str, Any]] = {
    (None, ExecType.QUERY): {},
    (None, ExecType.DELETE): {},
    (None, ExecType.UPDATE): {"title": "乙"},
    (None, ExecType.SET): {"param": {"room_id": 3}},
    (Category.GATEWAY, ExecType.CREATE): {"param": {"duration": 10}},
    (Category.LOCK, ExecType.CREATE): {"param": {"keytype": 0, "key_name": "钥匙", "pass": "482913"}},
    (Category.SWITCH, ExecType.CONTROL): ON,
    (Category.SOCKET, ExecType.CONTROL): ON,
    (Category.LOCK, ExecType.CONTROL): ON,
    (Category.CURTAIN, ExecType.CONTROL): ON,
}


@asynccontextmanager
async def gateway_with(broker: Broker, folder: Path, *grants: Grant) -> AsyncIterator[tuple[Gateway, AccessControl]]:
    audiences: list[AccessControl] = []

    def audience_of(store: Store) -> AccessControl:
        audiences.append(AccessControl(OWNER, store.mirror))
        audiences[0].learn(grants)
        return audiences[0]

    async with running(broker, folder / "house.db", records=DEVICES, audience_of=audience_of) as gateway:
        async with AppClient.connect(broker.host, broker.port, OWNER, PASSWORD, name="watching") as owner:
            await owner.expect(lambda seen: DEVICES[-1].uuid in seen.topic)
        yield gateway, audiences[0]


@pytest.mark.parametrize("level", list(Permission), ids=lambda level: f"{level}-{level.name.lower()}")
async def test_a_level_is_what_it_says_for_everything(broker: Broker, tmp_path: Path, level: Permission) -> None:
    grants = [Grant(GUEST, device.id or 0, level) for device in DEVICES]
    async with (
        gateway_with(broker, tmp_path, *grants) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        for device in DEVICES:
            for exectype in ExecType:
                fields = ASKED.get((device.category, exectype), ASKED.get((None, exectype)))
                ran = len(gateway.bench.ran)
                answer = await guest.request(device.category, device.uuid, exectype, **(fields or {}))
                place = f"{device.category} {exectype}: {answer.meaning}"
                if fields is None:
                    assert answer.meaning is OperationStatus.BAD_PARAMETERS, place
                elif may(level, exectype):
                    assert answer.meaning in {
                        OperationStatus.CONTROLLED,
                        OperationStatus.UPDATED,
                        OperationStatus.SET_DONE,
                    }, place
                else:
                    assert (answer.meaning, len(gateway.bench.ran)) == (OperationStatus.PERMISSION_DENIED, ran), place


@pytest.mark.parametrize(
    ("exectype", "level"),
    [
        (ExecType.QUERY, 2),
        (ExecType.CONTROL, 3),
        (ExecType.UPDATE, 4),
        (ExecType.SET, 4),
        (ExecType.CREATE, 6),
        (ExecType.DELETE, 7),
    ],
)
def test_what_each_exectype_asks_for(exectype: ExecType, level: int) -> None:
    assert NEEDED[exectype] == level


@pytest.mark.parametrize("claim", [{"perm": 7}, {"user_id": 1}, {"authorization_id": 1}])
async def test_a_claim_inside_a_message_is_never_believed(
    broker: Broker, tmp_path: Path, claim: dict[str, Any]
) -> None:
    lamp = DEVICES[1]
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, lamp.id or 0, Permission.QUERY)) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        answer = await guest.request(lamp.category, lamp.uuid, ExecType.CONTROL, **ON, **claim)
        assert (answer.meaning, gateway.bench.ran) == (OperationStatus.PERMISSION_DENIED, [])


async def test_a_right_on_one_device_is_none_on_another(broker: Broker, tmp_path: Path) -> None:
    lamp, door = DEVICES[1], DEVICES[2]
    grants = (Grant(GUEST, lamp.id or 0, Permission.DELETE), Grant(GUEST, door.id or 0, Permission.QUERY))
    async with (
        gateway_with(broker, tmp_path, *grants) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        assert (
            await guest.request(door.category, door.uuid, ExecType.CONTROL, **ON)
        ).meaning is OperationStatus.PERMISSION_DENIED
        assert gateway.bench.ran == []


async def test_a_right_that_is_taken_back_is_gone_at_once_and_its_topics_with_it(
    broker: Broker, tmp_path: Path
) -> None:
    lamp = DEVICES[1]
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, lamp.id or 0, Permission.CONTROL)) as (gateway, access),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        assert (
            await guest.request(lamp.category, lamp.uuid, ExecType.CONTROL, **ON)
        ).meaning is OperationStatus.CONTROLLED
        access.learn([])
        for record in gateway.store.mirror.all():
            gateway.store.mirror.changed.add(record.uuid)  # as the sync does
        since = asyncio.get_running_loop().time()
        await owner.expect(lambda seen: DEVICES[-1].uuid in seen.topic, since=since)
        sn = await guest.send(lamp.category, lamp.uuid, ExecType.CONTROL, **ON)
        await owner.request(lamp.category, lamp.uuid, ExecType.CONTROL, **ON)
        assert [seen.meaning for seen in guest.received if seen.sn == sn and seen.is_final_answer] == []
        assert len(gateway.bench.ran) == 2


@pytest.mark.parametrize(("user", "heard"), [(OWNER, [OWNER]), (GUEST, [GUEST])])
async def test_who_says_that_rights_lapsed_is_told_apart(
    broker: Broker, tmp_path: Path, user: str, heard: list[str]
) -> None:
    lamp = DEVICES[1]
    said = b'{"msg": {}, "status": 400505, "desc": "\xe6\x8e\x88\xe6\x9d\x83\xe5\xa4\xb1\xe6\x95\x88"}'  # 授权失效
    async with (
        gateway_with(broker, tmp_path, Grant(GUEST, lamp.id or 0, Permission.QUERY)) as (gateway, _),
        AppClient.connect(broker.host, broker.port, user, PASSWORD) as phone,
    ):
        await phone.publish(lamp.category, lamp.uuid, ExecType.UPDATE, said)
        await phone.request(lamp.category, lamp.uuid, ExecType.QUERY)
        assert gateway.bench.access_changed == heard


async def test_a_device_that_the_cloud_has_no_longer_takes_no_request(broker: Broker, tmp_path: Path) -> None:
    async with (
        gateway_with(broker, tmp_path) as (gateway, _),
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as owner,
    ):
        lamp = gateway.store.mirror.get(SWITCH)
        assert lamp is not None
        await gateway.store.mirror.put(replace(lamp, unlinked=True))
        answer = await owner.request(Category.SWITCH, SWITCH, ExecType.CONTROL, **ON)
        assert (answer.meaning, gateway.bench.ran) == (OperationStatus.NO_SUCH_INFORMATION, [])
