"""Coordinator, broker and cloud fail and come back: the gateway recovers in the same process, without loss."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.admin.console import Console, NoParams
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, Environment
from tests.common.running_gateway import LOCK, PIN, RunningGateway, running_gateway

TIMES = int(os.environ.get("BREAKS", "5"))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as gateway:
        yield gateway


async def test_gateway_recovers_after_coordinator_resets(gateway: RunningGateway) -> None:
    await gateway.wait_until_lamp_answers()
    took = []
    for _ in range(TIMES):
        clock = asyncio.get_running_loop().time
        began = clock()
        starts = gateway.console.snapshots.radio().starts
        gateway.environment.network.faults.reset_ncp()
        async with asyncio.timeout(30):
            while gateway.console.snapshots.radio().starts == starts:
                await asyncio.sleep(0.01)
        await gateway.wait_until_lamp_answers()
        took.append(clock() - began)
    print(f"{TIMES} resets: back in {min(took):.2f} to {max(took):.2f} s")  # noqa: T201


async def test_request_while_radio_is_away_is_answered_with_network_error(gateway: RunningGateway) -> None:
    await gateway.wait_until_lamp_answers()
    faults = gateway.environment.network.faults
    faults.refuse_connections()
    faults.cut_connection()
    async with asyncio.timeout(20):
        while (answer := await gateway.switch_lamp(on=False)).meaning is not OperationStatus.ZIGBEE_NETWORK_ERROR:
            assert answer.meaning in {OperationStatus.CONTROLLED, OperationStatus.NODE_NOT_RESPONDING}
    await gateway.phone.expect(lambda message: zigbee_status(message) == "0")
    await gateway.phone.expect(
        lambda message: is_state(message) and message.meaning is OperationStatus.ZIGBEE_NETWORK_ERROR
    )
    faults.accept_connections()
    await gateway.wait_until_lamp_answers()
    just_now = asyncio.get_running_loop().time() - 1
    await gateway.phone.expect(lambda message: zigbee_status(message) == "1", since=just_now)
    await gateway.phone.expect(
        lambda message: is_state(message) and message.meaning is OperationStatus.NORMAL, since=just_now
    )


async def test_openings_while_broker_is_away_arrive_in_order_and_once(gateway: RunningGateway) -> None:
    total = 0
    for _ in range(TIMES):
        await gateway.environment.broker.kill()
        for _ in range(3):
            assert gateway.lock.enter_pin(PIN)
            total += 1
            await asyncio.sleep(0.02)
        await gateway.environment.broker.restart()
        await all_published(gateway.phone, total)
    await all_in_cloud(gateway.environment, total)
    times = [str(message["occur_time"]) for message in unlock_messages(gateway.environment)]
    assert times == sorted(times)
    assert len(unlock_event_sns(gateway.phone)) == total


async def test_openings_while_cloud_is_away_are_sent_when_it_is_back(gateway: RunningGateway) -> None:
    gateway.environment.cloud.faults.fail("/", status=503, times=10_000)
    for _ in range(5):
        assert gateway.lock.enter_pin(PIN)
    await all_published(gateway.phone, 5)
    assert unlock_messages(gateway.environment) == []
    gateway.environment.cloud.faults.clear()
    await all_in_cloud(gateway.environment, 5)


async def test_message_without_answer_is_looked_up_and_not_sent_twice(gateway: RunningGateway) -> None:
    cloud = gateway.environment.cloud
    async with asyncio.timeout(20):
        while not any(record["uuid"] == LOCK for record in cloud.records(gateway.phone.user)):
            await asyncio.sleep(0.05)
    cloud.faults.cut_after("/api/iot/messages/", times=1)
    for _ in range(3):
        assert gateway.lock.enter_pin(PIN)
    async with asyncio.timeout(60):
        while "message" in await waiting_kinds(gateway.console) or len(unlock_messages(gateway.environment)) < 3:
            await asyncio.sleep(0.1)
    assert len(unlock_messages(gateway.environment)) == 3


def is_state(message: ReceivedMessage) -> bool:
    """Whether it is the gateway's own state."""
    return COORDINATOR in message.topic and message.topic.endswith("update")


def zigbee_status(message: ReceivedMessage) -> str | None:
    """§12.1 `zgb_status` of a gateway's record."""
    return message.msg["param"]["zgb_status"] if is_state(message) else None


async def waiting_kinds(console: Console) -> set[str]:
    """The kinds of the items in the outbox; a record may wait for its turn, which does not matter here."""
    return {row["kind"] for row in (await console.outbox(NoParams()))["waiting"]}


def unlock_messages(environment: Environment) -> list[dict[str, object]]:
    return [message for message in environment.cloud.messages() if message["flag"] == "password_unlock"]


def unlock_event_sns(phone: AppClient) -> set[str | int | None]:
    return {
        message.sn
        for message in phone.received
        if LOCK in message.topic and message.meaning is OperationStatus.UNLOCK_EVENT
    }


async def all_published(phone: AppClient, total: int) -> None:
    async with asyncio.timeout(30):
        while len(unlock_event_sns(phone)) < total:
            await asyncio.sleep(0.02)


async def all_in_cloud(environment: Environment, total: int) -> None:
    async with asyncio.timeout(60):
        while len(unlock_messages(environment)) < total:
            await asyncio.sleep(0.05)
    assert len(unlock_messages(environment)) == total
