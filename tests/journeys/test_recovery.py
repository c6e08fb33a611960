"""What breaks comes back by itself, in the same process, and nothing that waited is lost or out of order."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatewayd.admin.console import Console, NoParams
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient, ReceivedMessage
from gatewayd.simulator.environment import COORDINATOR, Environment
from tests.common.home import DOOR, PIN, Home, at_home

TIMES = int(os.environ.get("BREAKS", "5"))


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with at_home(tmp_path) as home:
        yield home


async def test_a_reset_coordinator_is_taken_up_again(home: Home) -> None:
    await home.until_lamp_obeys()
    took = []
    for _ in range(TIMES):
        clock = asyncio.get_running_loop().time
        began = clock()
        starts = home.console.snapshots.radio().starts
        home.environment.network.faults.reset_ncp()
        async with asyncio.timeout(30):
            while home.console.snapshots.radio().starts == starts:
                await asyncio.sleep(0.01)
        await home.until_lamp_obeys()
        took.append(clock() - began)
    print(f"{TIMES} resets: back in {min(took):.2f} to {max(took):.2f} s")  # noqa: T201


async def test_while_the_radio_is_away_a_request_is_told_so_at_once(home: Home) -> None:
    await home.until_lamp_obeys()
    home.environment.network.faults.refuse_connections()
    home.environment.network.faults.cut_connection()
    async with asyncio.timeout(20):
        while (answer := await home.switch_lamp(on=False)).meaning is not OperationStatus.ZIGBEE_NETWORK_ERROR:
            assert answer.meaning in {OperationStatus.CONTROLLED, OperationStatus.NODE_NOT_RESPONDING}
    await home.phone.expect(lambda seen: says_of_its_network(seen) == "0")
    home.environment.network.faults.accept_connections()
    await home.until_lamp_obeys()
    await home.phone.expect(lambda seen: says_of_its_network(seen) == "1", since=asyncio.get_running_loop().time() - 1)


async def test_openings_while_the_broker_is_away_arrive_in_order_and_once(home: Home) -> None:
    total = 0
    for _ in range(TIMES):
        await home.environment.broker.kill()
        for _ in range(3):
            assert home.door.enter_pin(PIN)
            total += 1
            await asyncio.sleep(0.02)
        await home.environment.broker.restart()
        await all_opened(home.phone, total)
    async with asyncio.timeout(20):
        while len(unlocks(home.environment)) < total:
            await asyncio.sleep(0.05)
    assert len(unlocks(home.environment)) == total
    times = [str(message["occur_time"]) for message in unlocks(home.environment)]
    assert times == sorted(times)
    assert len(opened_sns(home.phone)) == total


async def test_what_happens_while_the_cloud_is_away_is_there_when_it_is_back(home: Home) -> None:
    home.environment.cloud.faults.fail("/", status=503, times=10_000)
    for _ in range(5):
        assert home.door.enter_pin(PIN)
    await all_opened(home.phone, 5)
    assert unlocks(home.environment) == []
    home.environment.cloud.faults.clear()
    async with asyncio.timeout(60):
        while len(unlocks(home.environment)) < 5:
            await asyncio.sleep(0.1)
    assert len(unlocks(home.environment)) == 5


async def test_an_uncertain_message_is_looked_for_and_not_posted_twice(home: Home) -> None:
    async with asyncio.timeout(20):
        while not any(record["uuid"] == DOOR for record in home.environment.cloud.records(home.phone.user)):
            await asyncio.sleep(0.05)
    home.environment.cloud.faults.cut_after("/api/iot/messages/", times=1)
    for _ in range(3):
        assert home.door.enter_pin(PIN)
    async with asyncio.timeout(60):
        while len(unlocks(home.environment)) < 3 or "message" in await waiting(home.console):
            await asyncio.sleep(0.1)
    assert len(unlocks(home.environment)) == 3


def says_of_its_network(seen: ReceivedMessage) -> str | None:
    return seen.msg["param"]["zgb_status"] if COORDINATOR in seen.topic and seen.topic.endswith("update") else None


async def waiting(console: Console) -> set[str]:
    """The kinds of words that the cloud still has to hear; a record may wait for its turn, which is no matter here."""
    return {row["kind"] for row in (await console.outbox(NoParams()))["waiting"]}


def unlocks(environment: Environment) -> list[dict[str, object]]:
    return [message for message in environment.cloud.messages() if message["flag"] == "password_unlock"]


def opened_sns(phone: AppClient) -> set[str | None]:
    return {seen.sn for seen in phone.received if DOOR in seen.topic and seen.meaning is OperationStatus.UNLOCK_EVENT}


async def all_opened(phone: AppClient, total: int) -> None:
    async with asyncio.timeout(30):
        while len(opened_sns(phone)) < total:
            await asyncio.sleep(0.02)
