"""The real client on a real Mosquitto, through a proxy that misbehaves: one item at fault harms no other."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
from msgspec.structs import replace

from gatewayd.cloud.mqtt import connection as connection_module
from gatewayd.cloud.mqtt.session import pause_after
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.outbox_items import NoticeItem, Route
from gatewayd.model.record import LockParam, Record, SensorParam
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.simulator.broker.kind import BrokerSettings
from gatewayd.simulator.broker.mosquitto import Mosquitto
from tests.common.cloud import GATEWAY, GUEST, LOCK, OWNER, PASSWORD, SWITCH, Audience, Gateway, running
from tests.common.rude_proxy import RudeProxy, SentPublish

SENSOR = Uuid("00158d0004c00001")
STATES_OF_SENSOR = {f"{user}/sensor/{SENSOR}/update" for user in (OWNER, GUEST)}
ACK_TIMEOUT_S = 0.6


@pytest.fixture
async def rude(broker: Broker) -> AsyncIterator[RudeProxy]:
    async with RudeProxy.before(broker) as rude:
        yield rude


@asynccontextmanager
async def connected(rude: RudeProxy, path: Path, *records: Record) -> AsyncIterator[Gateway]:
    async with running(rude, path / "house.db", records=records, ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: gateway.session.is_working)
        yield gateway


async def until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.01)


def notice(number: int, uuid: Uuid = LOCK, title: str = "") -> NoticeItem:
    record = Record(uuid=uuid, category=Category.LOCK, title=title, param=LockParam(status=1))
    return NoticeItem(
        uuid=uuid, category=Category.LOCK, exectype=ExecType.UPDATE, sn=f"n{number}", status="ON", record=record
    )


def sensor(title: str = "") -> Record:
    return Record(uuid=SENSOR, category=Category.SENSOR, title=title, param=SensorParam(status=1))


def is_notice(number: int) -> Callable[[SentPublish], bool]:
    return lambda message: f'"n{number}"'.encode() in message.payload


def is_state_of(uuid: Uuid) -> Callable[[SentPublish], bool]:
    return lambda message: message.retain and uuid in message.topic


async def waiting(gateway: Gateway) -> int:
    return (await gateway.store.outbox.depth())[Route.MQTT]


async def until_dead_letter(gateway: Gateway) -> str:
    async with asyncio.timeout(40):
        while not (found := await gateway.store.outbox.dead_letters()):
            await asyncio.sleep(0.02)
    (letter,) = found
    return letter.reason


# ---- PUBACK


async def test_withheld_puback_blocks_neither_answers_nor_notices_of_the_same_lock(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.withholds_puback = is_notice(1)
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        await until(lambda: any(is_notice(1)(sent) for sent in rude.sent))
        async with asyncio.timeout(ACK_TIMEOUT_S / 2):
            answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
            await gateway.store.outbox.add(notice(2))
            await phone.expect(lambda seen: seen.sn == "n2")
        assert answer.meaning is OperationStatus.CONTROLLED
        assert "attempt 3 of 3" in await until_dead_letter(gateway)
        assert gateway.session.connections == 1
        assert await waiting(gateway) == 0
        assert gateway.session.is_working


async def test_broker_that_acknowledges_nothing_is_left_and_nothing_is_lost(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.withholds_puback = lambda _message: True
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        await until(lambda: gateway.session.connections == 0 or not gateway.session.is_working)
        await until(lambda: gateway.session.connections > 1)
        assert "acknowledge" in str(gateway.session.last_disconnect)
        rude.rude.withholds_puback = lambda _message: False
        async with asyncio.timeout(20):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert not await gateway.store.outbox.dead_letters()


async def test_broker_that_answers_pings_only_is_left(
    rude: RudeProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_CHECK_EVERY_S", 0.5)
    async with connected(rude, tmp_path) as gateway:
        rude.rude.pings_only = True
        await until(lambda: gateway.session.disconnect_reason is not None)
        assert "has not answered" in str(gateway.session.disconnect_reason)


async def test_broker_that_acknowledges_no_progress_is_left_though_it_answers_else(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    """No row of the outbox waits that would tell: a hundred answers that are in none fill every slot."""
    rude.rude.withholds_puback = lambda _message: True
    async with connected(rude, tmp_path) as gateway:
        for number in range(101):
            await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, sn=f"p{number}", param={"operate": 7})
        await until(lambda: "acknowledged no message" in str(gateway.session.last_disconnect))


@pytest.mark.parametrize("code", [135, 144, 149, 153])
async def test_final_refusal_is_a_dead_letter_with_its_code(rude: RudeProxy, tmp_path: Path, code: int) -> None:
    rude.rude.puback_code = lambda message: code if is_notice(1)(message) else None
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2))
        assert f"code {code}" in await until_dead_letter(gateway)
        async with asyncio.timeout(5):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert gateway.session.connections == 1


@pytest.mark.parametrize("code", [128, 131, 145, 151, 201])
async def test_other_refusal_is_tried_again(rude: RudeProxy, phone: AppClient, tmp_path: Path, code: int) -> None:
    rude.rude.puback_code = lambda message: code if is_notice(1)(message) else None
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2))
        await phone.expect(lambda seen: seen.sn == "n2")
        rude.rude.puback_code = lambda _message: None
        await phone.expect(lambda seen: seen.sn == "n1", timeout_s=6)
        assert not await gateway.store.outbox.dead_letters()


async def test_broker_that_refuses_everything_makes_no_dead_letters(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.puback_code = lambda _message: 151
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(*(notice(number) for number in range(5)))
        await asyncio.sleep(1)
        assert not await gateway.store.outbox.dead_letters()
        assert await waiting(gateway) == 5
        assert all(row.attempts == 0 for row in await gateway.store.outbox.rows())


@pytest.mark.parametrize("name", ["delays", "duplicates", "reorders"])
async def test_late_doubled_and_reordered_acknowledgements_lose_nothing(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, name: str
) -> None:
    rude.rude.delay_s = 0.3 if name == "delays" else 0.0
    rude.rude.duplicates = name == "duplicates"
    rude.rude.reorders = name == "reorders"
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(*(notice(number) for number in range(30)))
        await phone.expect(lambda seen: seen.sn == "n29")
        async with asyncio.timeout(10):
            while await waiting(gateway):
                await asyncio.sleep(0.02)
        assert [seen.sn for seen in phone.received if seen.sn] == [f"n{number}" for number in range(30)]
        assert gateway.session.connections == 1


# ---- SUBACK


async def test_refused_subscription_is_shown_and_asked_for_again(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    rude.rude.suback_code = lambda name: 135 if f"{OWNER}/lock" in name else None
    async with connected(rude, tmp_path) as gateway:
        (refused,) = gateway.session.refused_filters.items()
        assert refused[0] == f"{OWNER}/lock/{LOCK}/+"
        assert "code 135" in refused[1]
        rude.rude.suback_code = lambda _name: None
        await until(lambda: not gateway.session.refused_filters, timeout_s=5)
        answer = await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert answer.meaning is OperationStatus.CONTROLLED
        assert gateway.session.connections == 1


async def test_all_subscriptions_refused_are_asked_for_again(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.suback_code = lambda _name: 128
    rude.rude.refuses_mqtt_5 = True
    async with connected(rude, tmp_path) as gateway:
        assert len(gateway.session.refused_filters) == 6
        rude.rude.suback_code = lambda _name: None
        await until(lambda: not gateway.session.refused_filters, timeout_s=5)
        await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1})


async def test_suback_with_too_few_codes_counts_as_refused(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.suback_codes_kept = 2
    async with connected(rude, tmp_path) as gateway:
        assert len(gateway.session.refused_filters) == 4


async def test_connection_without_suback_is_left(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.withholds_suback = True
    async with running(rude, tmp_path / "house.db", ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: "SUBSCRIBE" in str(gateway.session.last_disconnect))
        assert not gateway.session.is_working
        rude.rude.withholds_suback = False
        await until(lambda: gateway.session.is_working)


# ---- what ends connections


@pytest.mark.parametrize(("is_mqtt_5", "code"), [(False, None), (True, None), (True, 149), (True, 135)])
async def test_state_that_ends_connections_is_left_out(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, is_mqtt_5: bool, code: int | None
) -> None:
    rude.rude.refuses_mqtt_5 = not is_mqtt_5
    rude.rude.cuts_at, rude.rude.cut_code = is_state_of(SENSOR), code
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: gateway.session.refused_states.keys() == STATES_OF_SENSOR, timeout_s=40)
        assert all("closes the connection" in reason for reason in gateway.session.refused_states.values())
        await until(lambda: gateway.session.is_working)
        connections = gateway.session.connections
        await gateway.store.outbox.add(notice(1))
        await phone.expect(lambda seen: seen.sn == "n1")
        assert gateway.session.connections == connections <= 6


async def test_notice_that_ends_connections_is_a_dead_letter(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.cuts_at = is_notice(1)
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1), notice(2), notice(3))
        assert "closes the connection" in await until_dead_letter(gateway)
        await phone.expect(lambda seen: seen.sn == "n3")
        async with asyncio.timeout(10):
            while await waiting(gateway):
                await asyncio.sleep(0.02)


async def test_filter_that_ends_connections_is_left_out(rude: RudeProxy, phone: AppClient, tmp_path: Path) -> None:
    rude.rude.cuts_at_filter = lambda name: SENSOR in name and OWNER in name
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        await until(lambda: bool(gateway.session.refused_filters), timeout_s=40)
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert [*gateway.session.refused_filters] == [f"{OWNER}/sensor/{SENSOR}/+"]


class WithBadName(Audience):
    """One user of every device has a name that no topic can have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def topic_users(self, uuid: Uuid) -> tuple[str, ...]:
        return (*super().topic_users(uuid), self._name) if uuid == SENSOR else super().topic_users(uuid)


@pytest.mark.parametrize(
    "name", ["a#b", "x" * 70_000, "nul\0", "\x01", "\ud800"], ids=["wildcard", "long", "nul", "control", "surrogate"]
)
async def test_filter_of_a_bad_name_leaves_the_others_subscribed(
    rude: RudeProxy, phone: AppClient, tmp_path: Path, name: str
) -> None:
    async with running(
        rude,
        tmp_path / "house.db",
        records=[sensor()],
        audience_of=lambda _store: WithBadName(name),
        ack_timeout_s=ACK_TIMEOUT_S,
    ) as gateway:
        await until(lambda: gateway.session.is_working and bool(gateway.session.refused_filters), timeout_s=40)
        assert [*gateway.session.refused_filters] == [f"{name}/sensor/{SENSOR}/+"]
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})


async def test_connection_that_is_cut_at_any_time_blames_nothing(rude: RudeProxy, tmp_path: Path) -> None:
    async with running(rude, tmp_path / "house.db", records=[sensor()], ack_timeout_s=ACK_TIMEOUT_S) as gateway:
        chance = random.Random(7)
        for number in range(6):
            await gateway.store.outbox.add(notice(number))
            await asyncio.sleep(chance.uniform(0, 0.05))
            rude.cut()
        assert not await gateway.store.outbox.dead_letters()
        assert not gateway.session.refused_states


# ---- takeover, young ends


async def test_takeover_is_shown_with_its_code_and_backs_off(rude: RudeProxy, tmp_path: Path) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.disconnect(142)
        await until(lambda: gateway.session.disconnect_reason is not None)
        assert "code 142" in str(gateway.session.disconnect_reason)
        assert "client id" in str(gateway.session.disconnect_reason)
        await asyncio.sleep(3)
        assert len(rude.connects) == 1


async def test_second_client_with_the_same_id_does_not_make_a_loop(
    rude: RudeProxy, broker: Broker, tmp_path: Path
) -> None:
    """Mosquitto 2.0 ends the older connection without a word."""

    async def take_over_again_and_again() -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    broker.host, broker.port, username=OWNER, password=PASSWORD, identifier=GATEWAY
                ) as other:
                    await other.subscribe("none")
                    async for _ in other.messages:
                        pass
            await asyncio.sleep(0.05)

    async with connected(rude, tmp_path) as gateway:
        other = asyncio.create_task(take_over_again_and_again())
        await until(lambda: "may be using this gateway's client id" in str(gateway.session.last_disconnect))
        other.cancel()
        assert len(rude.connects) == 3
        await until(lambda: gateway.session.is_working)


async def test_pauses_grow_while_connections_end_young(rude: RudeProxy, tmp_path: Path) -> None:
    rude.rude.closes_after_s = 0.5
    async with running(rude, tmp_path / "house.db", ack_timeout_s=ACK_TIMEOUT_S):
        await until(lambda: len(rude.connects) == 4, timeout_s=30)
    first, *_, last = (later - earlier - 0.5 for earlier, later in zip(rude.connects, rude.connects[1:], strict=False))
    assert first <= 1.1
    assert last >= 2.0


@pytest.mark.parametrize("code", [0, 130, 139, 152])
async def test_code_of_disconnect_is_shown(rude: RudeProxy, tmp_path: Path, code: int) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.disconnect(code)
        await until(lambda: f"code {code}" in str(gateway.session.last_disconnect))


@pytest.mark.parametrize(("code", "words"), [(135, "Not authorized"), (137, "Server busy"), (138, "Banned")])
async def test_code_of_a_refused_connection_is_shown(rude: RudeProxy, tmp_path: Path, code: int, words: str) -> None:
    rude.rude.connack_code = code
    async with running(rude, tmp_path / "house.db") as gateway:
        await until(lambda: f"[code:{code}] {words}" in str(gateway.session.disconnect_reason))


@pytest.mark.parametrize(
    ("code", "pauses"), [(None, (0.0, 60.0)), (0, (0.0, 60.0)), (135, (1.0, 600.0)), (142, (15.0, 600.0))]
)
def test_pause_follows_the_reason_code(code: int | None, pauses: tuple[float, float]) -> None:
    assert pause_after(code) == pauses


@pytest.mark.parametrize(
    "garbage", [b"\x30\x02\x00\xff", b"\x40\x01\x00", b"\x90\x00", b"\xe0\x01\xff", b"\x30\xff\xff\xff\xff\xff"]
)
async def test_garbage_from_the_broker_ends_that_connection_alone(
    rude: RudeProxy, tmp_path: Path, garbage: bytes
) -> None:
    async with connected(rude, tmp_path) as gateway:
        rude.rude.garbage = garbage
        rude.cut()
        await until(lambda: len(rude.connects) == 2)
        rude.rude.garbage = b""
        await until(lambda: gateway.session.connections >= 2 and gateway.session.is_working)
        await until(lambda: rude.open_connections == 1)


async def test_acknowledgement_of_what_was_not_asked_is_ignored(
    rude: RudeProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suback, unsuback = b"\x90\x04\x27\x0f\x00\x00", b"\xb0\x04\x27\x0f\x00\x00"
    rude.rude.garbage = suback + unsuback
    async with connected(rude, tmp_path) as gateway:
        assert gateway.session.connections == 1
    assert "Unexpected message ID" not in caplog.text


async def test_own_notice_that_mqtt_3_sends_back_revokes_nothing(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    """A lock that refuses a key out of its schedule has the notice 授权失效, which is what the owner's app says too."""
    rude.rude.refuses_mqtt_5 = True
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(replace(notice(1), status=OperationStatus.AUTHORIZATION_EXPIRED.name))
        await phone.expect(lambda seen: seen.meaning is OperationStatus.AUTHORIZATION_EXPIRED)
        await phone.request(Category.LOCK, LOCK, ExecType.CONTROL, param={"operate": 1})
        assert gateway.bench.access_changed == []


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
