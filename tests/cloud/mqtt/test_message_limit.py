"""How many messages of a guest are read, and that the owner's are read first, all of them."""

import asyncio

import aiomqtt
import pytest

from gatewayd.cloud.mqtt.incoming import MAX_WAITING, MAX_WAITING_BYTES, IncomingLimit, IncomingMessages
from gatewayd.cloud.mqtt.message_limit import MessageLimit, MessageRate
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.token_bucket import Rate
from tests.common.cloud import GUEST, OWNER, PASSWORD, SWITCH, Gateway

RATE = MessageRate(Rate(per_s=1 / 30, burst=3), mute_after=5, mute_s=60.0, longest_mute_s=100.0)
ON = {"operate": 1, "operate_channel_id": 1}


def message(user: str, payload: bytes = b"{}") -> aiomqtt.Message:
    return aiomqtt.Message(f"{user}/switch/{SWITCH}/control", payload, qos=1, retain=False, mid=1, properties=None)


def test_burst_then_rate_are_admitted_and_others_have_their_own() -> None:
    limit = MessageLimit(OWNER, RATE)
    assert [limit.admit(GUEST, 0) for _ in range(4)] == [True, True, True, False]
    assert limit.admit("another", 0)
    assert [limit.admit(GUEST, now) for now in (30, 90, 90)] == [False, True, False]
    assert limit.muted(90) == frozenset()


def test_owner_has_no_limit() -> None:
    limit = MessageLimit(OWNER, RATE)
    assert all(limit.admit(OWNER, 0) for _ in range(10_000))
    assert limit.muted(0) == frozenset()


@pytest.mark.parametrize(("floods", "muted_s"), [(1, 60.0), (2, 100.0), (3, 100.0)])
def test_user_who_goes_on_is_muted_for_longer_each_time(floods: int, muted_s: float) -> None:
    limit, now = MessageLimit(OWNER, RATE), 0.0
    for _ in range(floods):
        began = now
        for _ in range(1_000):
            limit.admit(GUEST, now)
        assert limit.muted(now) == {GUEST}
        end = limit.next_end(now)
        assert end is not None
        now = end
    assert now - began == muted_s
    assert limit.muted(now) == frozenset()


def test_user_who_stops_may_send_again_and_is_forgiven_after_a_while() -> None:
    limit = MessageLimit(OWNER, RATE)
    for _ in range(1_000):
        limit.admit(GUEST, 0)
    assert not limit.admit(GUEST, 50)
    assert limit.admit(GUEST, 215)
    for _ in range(1_000):
        limit.admit(GUEST, 500)
    assert limit.next_end(500) == 560


async def test_owners_messages_come_first_and_all_that_wait_is_bounded() -> None:
    queue = IncomingMessages(limit=IncomingLimit(MessageLimit(OWNER)))
    for number in range(3 * MAX_WAITING):
        queue.put_nowait(message(GUEST))
        queue.put_nowait(message(OWNER, str(number).encode()))
    assert queue.qsize() <= MAX_WAITING + 100
    assert [(await queue.get()).payload for _ in range(MAX_WAITING)] == [str(n).encode() for n in range(MAX_WAITING)]
    assert (await queue.get()).topic.value.startswith(GUEST)


async def test_bytes_that_wait_are_bounded() -> None:
    queue = IncomingMessages(limit=IncomingLimit(MessageLimit(OWNER)))
    for _ in range(100):
        queue.put_nowait(message(OWNER, bytes(1 << 20)))
    assert queue.qsize() == MAX_WAITING_BYTES >> 20


async def test_message_that_is_left_out_wakes_nobody_for_long() -> None:
    limit = IncomingLimit(MessageLimit(OWNER, MessageRate(Rate(1 / 60, 0), 10, 60.0, 60.0)))
    queue = IncomingMessages(limit=limit)
    taking = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(message(GUEST))
    await asyncio.sleep(0)
    assert not taking.done()
    queue.put_nowait(message(OWNER))
    assert (await taking).topic.value.startswith(OWNER)
    assert limit.counters["over_limit"] == 1


async def test_guest_who_floods_is_unsubscribed_from_and_the_owner_is_answered(
    gateway: Gateway, phone: AppClient, broker: Broker
) -> None:
    async with AppClient.connect(broker.host, broker.port, GUEST, PASSWORD) as guest:
        for _ in range(400):
            await guest.send(Category.SWITCH, SWITCH, ExecType.QUERY)
        answer = await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param=ON)
        assert answer.meaning is OperationStatus.CONTROLLED
        over_limit = gateway.session.counters["over_limit"]
        assert over_limit >= 100
        for _ in range(400):
            await guest.send(Category.SWITCH, SWITCH, ExecType.QUERY)
        await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param=ON, title="again")
        assert gateway.session.counters["over_limit"] <= over_limit + 200
