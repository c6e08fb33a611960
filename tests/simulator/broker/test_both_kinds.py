"""Both kinds of broker enforce the vendor's rules (§4.1), so that the demo is the same on either."""

import asyncio

import aiomqtt
import pytest

from gatewayd.simulator.broker.amqtt import Amqtt
from gatewayd.simulator.broker.broker import Broker
from gatewayd.simulator.broker.kind import BrokerError, BrokerKind
from gatewayd.simulator.broker.mosquitto import Mosquitto

USERS = {"anna": "a-secret", "bert": "b-secret"}


@pytest.fixture(params=[Mosquitto(), Amqtt()], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> BrokerKind:
    found: BrokerKind = request.param
    return found


def client_of(broker: Broker, user: str, password: str | None = None) -> aiomqtt.Client:
    return aiomqtt.Client(broker.host, broker.port, username=user, password=password or USERS[user], identifier=user)


async def next_topic(client: aiomqtt.Client) -> str:
    async with asyncio.timeout(10):
        return (await anext(aiter(client.messages))).topic.value


async def test_wrong_password_is_refused(kind: BrokerKind) -> None:
    async with Broker.start(USERS, kinds=[kind]) as broker:
        with pytest.raises(aiomqtt.MqttError):
            await client_of(broker, "anna", "b-secret").__aenter__()


async def test_user_may_use_only_own_and_granted_topics(kind: BrokerKind) -> None:
    async with (
        Broker.start(USERS, grants={"anna": ["bert"]}, kinds=[kind]) as broker,
        client_of(broker, "anna") as anna,
        client_of(broker, "bert") as bert,
    ):
        await anna.subscribe("anna/#")
        await anna.subscribe("bert/#")
        await bert.publish("anna/forbidden", b"1", qos=0)
        await bert.publish("bert/allowed", b"1", qos=1)
        assert await next_topic(anna) == "bert/allowed"


async def test_killed_broker_restarts_on_its_port(kind: BrokerKind) -> None:
    async with Broker.start(USERS, kinds=[kind]) as broker:
        await broker.kill()
        await broker.restart()
        async with client_of(broker, "anna") as anna:
            await anna.subscribe("anna/#")
            await anna.publish("anna/again", b"1", qos=1)
            assert await next_topic(anna) == "anna/again"


async def test_error_without_installed_broker_names_what_to_install() -> None:
    with pytest.raises(BrokerError, match="apt-get install mosquitto"):
        async with Broker.start(USERS, kinds=[]):
            pass
