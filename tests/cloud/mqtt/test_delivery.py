"""The real client on a real Mosquitto whose access list (ACL) lets the account write but not read, or the reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gatewayd.cloud.mqtt import delivery_check
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import Broker
from gatewayd.simulator.broker.kind import BrokerSettings
from gatewayd.simulator.broker.mosquitto import Mosquitto
from tests.common.cloud import GATEWAY, LOCK, OWNER, PASSWORD, SWITCH
from tests.common.rude_gateway import connected, notice, until
from tests.common.rude_proxy import RudeProxy, SentPublish

ECHO_TOPIC = f"{OWNER}/gw/{GATEWAY}/update"


class Restricted(Mosquitto):
    """Mosquitto with an access list that a test changes. `access` is mosquitto's own word, by topic filter."""

    def __init__(self, **access: str) -> None:
        self.access = access or {f"{OWNER}/#": "readwrite"}
        self._folder = Path()

    async def prepare(self, settings: BrokerSettings, folder: Path) -> list[str]:
        command = await super().prepare(settings, folder)
        self._folder = folder
        self.allow(self.access)
        return command

    def allow(self, access: dict[str, str]) -> None:
        """Write the access list; the broker reads it when it is told to."""
        rights = "".join(f"topic {right} {topics}\n" for topics, right in access.items())
        (self._folder / "acl").write_text(f"user {OWNER}\n{rights}")


class House:
    """The broker with its access list, and a proxy before it."""

    def __init__(self, broker: Broker, kind: Restricted, rude: RudeProxy) -> None:
        self.broker = broker
        self.kind = kind
        self.rude = rude

    def allow(self, right: str, topics: str = f"{OWNER}/#") -> None:
        """Change the access list of the running broker."""
        self.kind.allow({topics: right})
        self.broker.reload()

    @property
    def echoes(self) -> list[SentPublish]:
        """The messages that were sent for nothing but their echo."""
        return [sent for sent in self.rude.sent if sent.topic == ECHO_TOPIC and sent.qos]


@asynccontextmanager
async def house(right: str = "readwrite", *, is_mqtt_5: bool = True) -> AsyncIterator[House]:
    kind = Restricted(**{f"{OWNER}/#": right})
    async with Broker.start({OWNER: PASSWORD}, kinds=[kind]) as broker, RudeProxy.before(broker) as rude:
        rude.rude.refuses_mqtt_5 = not is_mqtt_5
        yield House(broker, kind, rude)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Echoes are sent often."""
    monkeypatch.setattr(delivery_check, "_EVERY_S", 0.5)
    monkeypatch.setattr(delivery_check, "_AGAIN_S", 0.2)


both_versions = pytest.mark.parametrize("is_mqtt_5", [True, False], ids=["mqtt5", "mqtt3"])


@both_versions
async def test_broker_that_delivers_nothing_is_told_until_a_request_comes(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with (
        house("write", is_mqtt_5=is_mqtt_5) as place,
        connected(place.rude, tmp_path) as gateway,
        AppClient.connect(place.broker.host, place.broker.port, OWNER, PASSWORD) as phone,
    ):
        await until(lambda: not gateway.session.is_working)
        assert "delivers nothing" in str(gateway.session.trouble)
        assert not gateway.session.refused_filters  # it granted them all
        place.allow("readwrite")
        async with asyncio.timeout(20):
            while not gateway.session.is_working:  # mosquitto reads the list when it comes to it
                await phone.send(Category.LOCK, LOCK, ExecType.CONTROL, sn="7", param={"operate": 1})
                await asyncio.sleep(0.2)
        await phone.expect(lambda seen: seen.sn == "7" and seen.meaning is OperationStatus.CONTROLLED)
        assert gateway.session.trouble is None
        assert gateway.session.connections == 1


@both_versions
@pytest.mark.usefixtures("hurried")
async def test_broker_that_delivers_again_is_noticed_by_the_echo(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with house("write", is_mqtt_5=is_mqtt_5) as place, connected(place.rude, tmp_path) as gateway:
        await until(lambda: not gateway.session.is_working)
        place.allow("readwrite")
        await until(lambda: gateway.session.is_working)
        assert gateway.session.trouble is None
        assert gateway.session.connections == 1


@pytest.mark.usefixtures("hurried")
async def test_broker_that_stops_delivering_is_noticed_on_the_same_connection(tmp_path: Path) -> None:
    async with house() as place, connected(place.rude, tmp_path) as gateway:
        await until(lambda: len(place.echoes) >= 2)
        assert gateway.session.is_working
        place.allow("write")
        await until(lambda: not gateway.session.is_working)
        assert gateway.session.connections == 1


async def test_deaf_connection_stays_told_over_a_reconnection(tmp_path: Path) -> None:
    async with house("write") as place, connected(place.rude, tmp_path) as gateway:
        await until(lambda: not gateway.session.is_working)
        place.rude.cut()
        await until(lambda: gateway.session.connections == 2 and gateway.session.disconnect_reason is None)
        for _ in range(50):
            assert not gateway.session.is_working
            await asyncio.sleep(0.01)


@both_versions
@pytest.mark.usefixtures("hurried")
async def test_echo_is_the_gateways_record_and_no_request_to_anybody(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with house(is_mqtt_5=is_mqtt_5) as place, connected(place.rude, tmp_path) as gateway:
        await until(lambda: len(place.echoes) >= 3)
        (state,) = {sent.payload for sent in place.rude.sent if sent.topic == ECHO_TOPIC and not sent.qos}
        assert {(echo.payload, echo.qos, echo.retain) for echo in place.echoes} == {(state, 1, False)}
        assert not gateway.listener.counters
        assert not gateway.session.counters
        assert not gateway.bench.ran
        assert gateway.bench.access_changed == []


@both_versions
async def test_broker_that_delivers_gets_no_message_for_the_echo_alone(tmp_path: Path, is_mqtt_5: bool) -> None:
    async with house(is_mqtt_5=is_mqtt_5) as place, connected(place.rude, tmp_path) as gateway:
        await asyncio.sleep(2)
        assert gateway.session.is_working
        assert place.echoes == []


@pytest.mark.usefixtures("hurried")
async def test_account_that_may_only_read_is_told(tmp_path: Path) -> None:
    """No request is needed for it; once the account may write, that is noticed likewise."""
    async with house("read") as place, connected(place.rude, tmp_path) as gateway:
        await until(lambda: "code 135" in str(gateway.session.trouble))
        assert gateway.session.refused_messages.keys() == {ECHO_TOPIC}
        place.allow("readwrite")
        await until(lambda: gateway.session.trouble is None)
        assert gateway.session.connections == 1


async def test_refused_answers_and_notices_are_trouble_until_one_is_accepted(
    rude: RudeProxy, phone: AppClient, tmp_path: Path
) -> None:
    topic = f"{OWNER}/lock/{LOCK}/update"
    rude.rude.puback_code = lambda message: 135 if message.topic == topic else None
    async with connected(rude, tmp_path) as gateway:
        await gateway.store.outbox.add(notice(1))
        async with asyncio.timeout(5):
            while not await gateway.store.outbox.dead_letters():
                await asyncio.sleep(0.01)
        assert gateway.session.trouble is None  # one message may be at fault itself
        await gateway.store.outbox.add(notice(2))
        await until(lambda: gateway.session.refused_messages.keys() == {topic})
        assert f"{topic}: the broker refuses it: Not authorized (code 135)" in str(gateway.session.trouble)
        await phone.request(Category.SWITCH, SWITCH, ExecType.CONTROL, param={"operate": 1})
        assert gateway.session.refused_messages.keys() == {topic}
        rude.rude.puback_code = lambda _message: None
        await gateway.store.outbox.add(notice(3))
        await until(lambda: gateway.session.trouble is None)
