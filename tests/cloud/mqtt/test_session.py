"""The session reconnects whenever the broker is back, and stops at any moment."""

import asyncio
import random
import tracemalloc
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.message_limit import MessageLimit
from gatewayd.cloud.mqtt.session import MqttAccount, MqttConnection, MqttMessage, MqttSession
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.simulator.broker.amqtt import Amqtt
from tests.common.cloud import GATEWAY, OWNER, PASSWORD, SWITCH, Gateway, running
from tests.common.rude_broker import RudeBroker, packet, publication
from tests.common.rude_proxy import RudeProxy


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


@pytest.mark.parametrize("number", range(5))
async def test_request_right_after_the_session_works_is_answered(
    broker: Broker, phone: AppClient, tmp_path: Path, number: int
) -> None:
    """`connected` is earlier: the broker has nobody yet to give a request to."""
    async with running(broker, tmp_path / "gateway.db") as gateway, asyncio.timeout(20):
        while not gateway.session.is_working:
            await asyncio.sleep(0)
        answer = await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": number % 2})
    assert answer.meaning is OperationStatus.CONTROLLED


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
    session = MqttSession(
        account, will, (listen, idle), incoming=IncomingLimit(MessageLimit(OWNER)), chance=random.Random(1)
    )
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


async def test_session_stops_while_its_broker_reads_nothing(broker: Broker) -> None:
    """DISCONNECT cannot be sent then, and that must not take the place of the cancellation."""
    async with RudeProxy.before(broker) as rude:

        async def flood(connection: MqttConnection) -> None:
            rude.rude.reads_nothing = True
            message = MqttMessage(f"{OWNER}/gw/{GATEWAY}/query", bytes(200_000))
            await asyncio.gather(*(connection.publish(message) for _ in range(60)))

        will = MqttMessage(f"{OWNER}/gw/{GATEWAY}/update", b"{}", qos=1)
        account = MqttAccount(rude.host, rude.port, OWNER, PASSWORD, GATEWAY)
        session = MqttSession(
            account, will, (flood,), incoming=IncomingLimit(MessageLimit(OWNER)), chance=random.Random(1)
        )
        session_run = asyncio.create_task(session.run())
        await session.connected.wait()
        await asyncio.sleep(0.3)
        session_run.cancel()
        _, still_running = await asyncio.wait({session_run}, timeout=4)
        assert not still_running
        assert session_run.cancelled()


async def test_session_whose_task_does_not_end_with_the_connection_tells_since_when(broker: Broker) -> None:
    is_mended = asyncio.Event()

    async def stuck(_: MqttConnection) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await is_mended.wait()

    will = MqttMessage(f"{OWNER}/gw/{GATEWAY}/update", b"{}", qos=1)
    account = MqttAccount(broker.host, broker.port, OWNER, PASSWORD, GATEWAY)
    session = MqttSession(account, will, (stuck,), incoming=IncomingLimit(MessageLimit(OWNER)), chance=random.Random(1))
    session_run = asyncio.create_task(session.run())
    await session.connected.wait()
    await broker.kill()
    async with asyncio.timeout(5):
        while session.connecting_since is None:
            await asyncio.sleep(0.01)
    is_mended.set()
    session_run.cancel()
    await asyncio.wait({session_run})


async def until_normal(rude: RudeBroker, connections: int) -> None:
    """Wait until the gateway is online on its connection of that number."""
    async with asyncio.timeout(20):
        while rude.connections < connections or not any(GATEWAY.encode() in content for content in rude.published):
            await asyncio.sleep(0.02)


async def test_packet_of_200_mib_breaks_the_connection_and_takes_no_memory(tmp_path: Path) -> None:
    async with RudeBroker.start() as rude, running(rude, tmp_path / "gateway.db") as gateway:
        await until_normal(rude, 1)
        tracemalloc.start()
        try:
            await rude.send(b"\x30" + b"\x80\x80\x80\x64")  # PUBLISH, 200 MiB
            await rude.send(bytes(1 << 20), times=200)
            await until_normal(rude, 2)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 16 << 20
        assert gateway.session.connected.is_set()


async def test_payload_of_32_mib_reaches_no_gateway_over_mqtt_5(
    gateway: Gateway, broker: Broker, phone: AppClient
) -> None:
    async with aiomqtt.Client(broker.host, broker.port, username=OWNER, password=PASSWORD, timeout=60) as flooder:
        await flooder.publish(f"{OWNER}/switch/{SWITCH}/control", bytes(32 << 20), qos=1)
    answer = await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1})
    assert answer.meaning is OperationStatus.CONTROLLED
    assert gateway.session.connections == 1
    assert gateway.listener.counters["unreadable"] == 0


@pytest.mark.parametrize(
    "data",
    [
        publication(f"{OWNER}/switch/{SWITCH}/control".encode() + b"\xff", b"{}"),
        publication(b"", b"{}"),
        publication(b"a/+/b/#", b"{}"),
        publication(b"\0" * 4, b"{}"),
        packet(0x30, b"\0"),
        packet(0x30, b"\xff\xffa"),
        packet(0x32, b"\0\1a"),
        packet(0x40, b""),
        packet(0x40, b"\0\1\2\3\4"),
        packet(0x90, b"\0"),
        packet(0x20, b"\xff\xff\xff"),
        packet(0x62, b"\0\1"),
        packet(0xF0, b"x" * 9),
        packet(0x00, b""),
        b"\x30\xff\xff\xff\xff\xff",
        b"\xff" * 64,
        bytes(64),
    ],
    ids=range(17),
)
async def test_session_survives_a_packet_that_no_broker_sends(tmp_path: Path, data: bytes) -> None:
    async with RudeBroker.start() as rude, running(rude, tmp_path / "gateway.db") as gateway:
        await until_normal(rude, 1)
        await rude.send(data)
        sent = msgspec.json.encode({"msg": {"sn": "after", "param": {"operate": 1}}})
        async with asyncio.timeout(20):
            while not any(b"after" in content for content in rude.published):
                await rude.send(publication(f"{OWNER}/switch/{SWITCH}/control".encode(), sent))
                await asyncio.sleep(0.1)
        assert gateway.bench.ran == ["after"]
