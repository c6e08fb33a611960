"""Answers to guests, over a real broker: each shows what its receiver may see when it leaves, not when it was made."""

from pathlib import Path

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.outbox_items import AnswerItem
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from tests.common.cloud import GUEST, PASSWORD
from tests.common.guest_door import DOOR, PHONE, gateway_with, grants

STATE = f"{GUEST}/lock/{DOOR.uuid}/update"


async def test_stored_answer_is_repeated_without_what_the_guest_may_no_longer_see(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        gateway_with(broker, tmp_path / "gateway.db", Permission.AUTHORIZE) as (gateway, access),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        await guest.expect(lambda seen: seen.topic == STATE)  # then the gateway has subscribed to his topics too
        answer = await guest.request(Category.LOCK, DOOR.uuid, ExecType.QUERY, sn="same")
        assert answer.msg["param"]["hijack_contact_phone"] == PHONE
        access.set_grants(grants(Permission.QUERY))
        await guest.expect(lambda seen: seen.topic == STATE and PHONE not in str(seen.msg))
        guest.received.clear()
        answer = await guest.request(Category.LOCK, DOOR.uuid, ExecType.QUERY, sn="same")
        assert answer.msg["title"] == "大门"
        assert PHONE not in str([seen.msg for seen in guest.received])
        assert gateway.bench.ran == ["same"]


async def test_answer_that_waited_leaves_without_what_the_guest_may_no_longer_see(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        gateway_with(broker, tmp_path / "gateway.db", Permission.QUERY) as (gateway, _),
        AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest,
    ):
        answer = AnswerItem(
            user=GUEST,
            category=Category.LOCK,
            uuid=DOOR.uuid,
            exectype=ExecType.QUERY,
            sn="waited",
            status=OperationStatus.DEVICE_NORMAL.name,
            record=DOOR,
        )
        await gateway.store.outbox.add(answer)
        seen = await guest.expect(lambda seen: seen.sn == "waited")
        assert seen.msg["title"] == "大门"
        assert PHONE not in str(seen.msg)
