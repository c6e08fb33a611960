"""The real client on a real Mosquitto, through a proxy that misbehaves: limits that it tells, and that it does not."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.simulator.broker.kind import BrokerSettings
from gatewayd.simulator.broker.mosquitto import Mosquitto
from tests.common.cloud import GATEWAY, LOCK, OWNER, PASSWORD, running
from tests.common.rude_gateway import (
    SENSOR,
    STATES_OF_SENSOR,
    connected,
    notice,
    sensor,
    until,
    until_dead_letter,
    waiting,
)
from tests.common.rude_proxy import RudeProxy

# ---- Mosquitto's own limits


class Limited(Mosquitto):
    """Mosquitto with one more line of configuration."""

    def __init__(self, line: str) -> None:
        self._line = line

    async def prepare(self, plan: BrokerSettings, folder: Path) -> list[str]:
        command = await super().prepare(plan, folder)
        with (folder / "mosquitto.conf").open("a") as settings:
            settings.write(f"{self._line}\n")
        return command


@pytest.mark.parametrize("is_mqtt_5", [True, False], ids=["mqtt5", "mqtt3"])
async def test_record_above_mosquittos_packet_limit_leaves_the_others_online(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with (
        Broker.start({OWNER: PASSWORD}, kinds=[Limited("max_packet_size 4000")]) as broker,
        RudeProxy.before(broker) as rude,
    ):
        rude.rude.refuses_mqtt_5 = not is_mqtt_5
        async with (
            running(rude, tmp_path / "house.db", records=[sensor("长" * 2000)], ack_timeout_s=2.0) as gateway,
            AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as phone,
        ):
            await gateway.store.outbox.add(notice(1, title="长" * 2000), notice(2))
            assert "bytes" in await until_dead_letter(gateway)
            await phone.expect(lambda seen: seen.sn == "n2")
            await until(
                lambda: gateway.session.refused_states.keys() == STATES_OF_SENSOR and gateway.session.is_working,
                timeout_s=60,
            )
            answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
            assert answer.meaning is OperationStatus.CONTROLLED


async def test_notice_above_mosquittos_message_limit_is_a_dead_letter(tmp_path: Path) -> None:
    async with (
        Broker.start({OWNER: PASSWORD}, kinds=[Limited("message_size_limit 4000")]) as broker,
        running(broker, tmp_path / "house.db", ack_timeout_s=2.0) as gateway,
    ):
        await gateway.store.outbox.add(notice(1, title="长" * 2000), notice(2))
        assert "Packet too large (code 149)" in await until_dead_letter(gateway)
        assert gateway.session.connections == 1


@pytest.mark.parametrize("is_mqtt_5", [True, False], ids=["mqtt5", "mqtt3"])
async def test_answer_above_the_packet_limit_is_sent_without_its_record(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with (
        Broker.start({OWNER: PASSWORD}, kinds=[Limited("max_packet_size 1200")]) as broker,
        RudeProxy.before(broker) as rude,
    ):
        rude.rude.refuses_mqtt_5 = not is_mqtt_5
        async with (
            running(rude, tmp_path / "house.db", ack_timeout_s=2.0) as gateway,
            AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as phone,
        ):
            states_above = 4  # the lock's and the switch's, of two users
            await until(
                lambda: len(gateway.session.refused_states) == states_above and gateway.session.is_working, timeout_s=60
            )
            await gateway.store.outbox.add(notice(1))
            sn = await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
            answer = await phone.expect(lambda seen: seen.sn == sn and seen.is_final_answer, timeout_s=60)
            assert answer.meaning is OperationStatus.CONTROLLED
            assert answer.msg == {"sn": sn, "category": "lock", "uuid": LOCK}
            told = await phone.expect(lambda seen: seen.sn == "n1")
            state = await phone.expect(lambda seen: LOCK in seen.topic and seen.topic.endswith("update"))
            for reduced in (told, state):
                assert reduced.msg["uuid"] == LOCK
                assert "param" not in reduced.msg
            async with asyncio.timeout(20):
                while await waiting(gateway):
                    await asyncio.sleep(0.02)
            assert not await gateway.store.outbox.dead_letters()
            assert gateway.bench.ran == [sn]
            assert "without param" in str(gateway.session.trouble)


async def test_answer_above_mosquittos_message_limit_is_sent_without_its_record(tmp_path: Path) -> None:
    async with (
        Broker.start({OWNER: PASSWORD}, kinds=[Limited("message_size_limit 1000")]) as broker,
        running(broker, tmp_path / "house.db", ack_timeout_s=2.0) as gateway,
        AppClient.connect(broker.host, broker.port, OWNER, PASSWORD) as phone,
    ):
        await until(lambda: gateway.session.is_working)
        await gateway.store.outbox.add(notice(1))
        answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert answer.msg == {"sn": answer.sn, "category": "lock", "uuid": LOCK}
        await phone.expect(lambda seen: seen.sn == "n1" and "param" not in seen.msg)
        assert gateway.session.connections == 1
        assert not await gateway.store.outbox.dead_letters()


# ---- limits of CONNACK


async def test_receive_maximum_is_heeded(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.connack, rude.rude.delay_s = {"receive_maximum": 3}, 0.05
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(*(notice(number) for number in range(20)))
        await phone.expect(lambda seen: seen.sn == "n19")
        assert rude.most_unacknowledged == 3


async def test_maximum_qos_and_retain_available_are_heeded(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.connack = {"maximum_qos": 0, "retain_available": 0}
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        await phone.expect(lambda seen: seen.sn == "n1")
        async with asyncio.timeout(5):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert not any(sent.qos or sent.retain for sent in rude.sent)


async def test_broker_without_wildcards_gets_filters_without(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.connack = {"wildcard_subscription_available": 0}
    rude.rude.suback_code = lambda name: 162 if "+" in name else None
    async with connected(rude, tmp_path) as gateway:
        assert not gateway.session.refused_filters
        assert sorted(rude.subscribed)[:2] == [f"{OWNER}/gw/{GATEWAY}/control", f"{OWNER}/gw/{GATEWAY}/create"]
        answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert answer.meaning is OperationStatus.CONTROLLED


async def test_probes_end_no_subscription_of_a_broker_without_wildcards(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.connack = {"wildcard_subscription_available": 0, "server_keep_alive": 1}
    async with connected(rude, tmp_path) as gateway:
        await asyncio.sleep(1.5)  # that the broker answers is checked
        await phone.send(Category.GATEWAY, GATEWAY, ExecType.UPDATE, sn="s1", param={})
        await until(lambda: gateway.bench.access_changed != [] or gateway.bench.ran != [], timeout_s=5)


async def test_what_is_above_the_maximum_packet_size_is_not_sent(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.connack = {"maximum_packet_size": 3000}
    async with connected(rude, tmp_path, sensor("长" * 2000)) as gateway:
        await gateway.store.outbox.add(notice(1, title="长" * 2000), notice(2))
        assert "3000" in await until_dead_letter(gateway)
        await phone.expect(lambda seen: seen.sn == "n2")
        await until(lambda: gateway.session.refused_states.keys() == STATES_OF_SENSOR)
        assert all("3000" in reason for reason in gateway.session.refused_states.values())
        assert max(sent.size for sent in rude.sent) <= 3000
        assert gateway.session.connections == 1
        record = gateway.store.mirror.get(SENSOR)
        assert record is not None
        await gateway.store.mirror.put(replace(record, title="短"))
        await until(lambda: not gateway.session.refused_states)


async def test_server_keepalive_is_heeded(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.connack = {"server_keep_alive": 1}
    async with connected(rude, tmp_path):
        packets = rude.received
        await asyncio.sleep(2.2)
        assert rude.received - packets >= 2


async def test_broker_without_retained_messages_gets_a_will_without_retain(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.refuses_retained_will = True
    async with connected(rude, tmp_path) as gateway:
        assert gateway.session.connections == 1
