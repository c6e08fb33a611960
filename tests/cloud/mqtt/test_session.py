"""The session reconnects whenever the broker is back, and stops at any moment."""

import asyncio
import random
from pathlib import Path

import pytest

from gatewayd.cloud.mqtt.session import MqttAccount, MqttConnection, MqttMessage, MqttSession
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.simulator.broker.amqtt import Amqtt
from tests.common.cloud import GATEWAY, OWNER, PASSWORD, SWITCH, Gateway, running


async def test_session_reconnects_after_each_kill_of_the_broker(
    gateway: Gateway, broker: Broker, phone: AppClient
) -> None:
    for number in range(2, 5):
        await broker.kill()
        await broker.restart()
        async with asyncio.timeout(20):
            while gateway.session.connections < number:
                await asyncio.sleep(0.02)
        await phone.expect(lambda seen: SWITCH in seen.topic)


async def test_session_connects_when_a_missing_broker_starts(broker: Broker, phone: AppClient, tmp_path: Path) -> None:
    await broker.kill()
    async with running(broker, tmp_path / "gateway.db") as gateway:
        async with asyncio.timeout(20):
            while "refused" not in str(gateway.session.disconnect_reason):
                await asyncio.sleep(0.02)
        await broker.restart()
        await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.NORMAL, timeout_s=20)


async def test_wrong_password_is_reported_without_being_shown(broker: Broker, tmp_path: Path) -> None:
    async with running(broker, tmp_path / "gateway.db", password="wrong") as gateway:
        async with asyncio.timeout(20):
            while "uthor" not in str(gateway.session.disconnect_reason):
                await asyncio.sleep(0.02)
        assert "wrong" not in str(gateway.session.disconnect_reason)
        assert not gateway.session.connected.is_set()


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.005, 0.01, 0.02])
async def test_session_stops_at_any_moment(broker: Broker, tmp_path: Path, after_s: float) -> None:
    async with asyncio.timeout(10), running(broker, tmp_path / "gateway.db"):
        await asyncio.sleep(after_s)
    async with AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as phone:
        assert phone.user == OWNER


async def test_broker_without_mqtt_5_is_used_with_3_1_1(tmp_path: Path) -> None:
    async with (
        Broker.start({OWNER: PASSWORD}, kinds=[Amqtt()]) as old,
        running(old, tmp_path / "gateway.db"),
        AppClient.connect(old.host, old.port, OWNER, PASSWORD) as phone,
    ):
        await phone.expect(lambda seen: GATEWAY in seen.topic and seen.meaning is OperationStatus.NORMAL, timeout_s=30)
        answer = await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1})
        assert answer.meaning is OperationStatus.CONTROLLED


@pytest.mark.parametrize("steps", range(8))
async def test_session_stops_when_broker_dies_at_the_same_moment(broker: Broker, steps: int) -> None:
    """At whatever step of the event loop it is cancelled after it has noticed that the connection is lost."""
    lost = asyncio.Event()

    async def listen(connection: MqttConnection) -> None:
        try:
            async for _ in connection.messages():
                pass
        finally:
            lost.set()

    async def idle(_: MqttConnection) -> None:
        await asyncio.Event().wait()

    will = MqttMessage(f"{OWNER}/gw/{GATEWAY}/update", b"{}", qos=1)
    account = MqttAccount(broker.host, broker.port, OWNER, PASSWORD, GATEWAY)
    session = MqttSession(account, will, (listen, idle), chance=random.Random(1))
    session_run = asyncio.create_task(session.run())
    await session.connected.wait()
    killing = asyncio.create_task(broker.kill())
    await lost.wait()
    for _ in range(steps):
        await asyncio.sleep(0)
    session_run.cancel()
    _, still_running = await asyncio.wait({session_run}, timeout=3)
    await killing
    assert not still_running
