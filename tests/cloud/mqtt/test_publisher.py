"""What the publisher subscribes and publishes on a connection whose broker answers late, or never."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import pytest
from msgspec.structs import replace

from gatewayd.cloud.access_control import AccessControl
from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.message_limit import MessageLimit
from gatewayd.cloud.mqtt.publisher import MqttPublisher
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage
from gatewayd.cloud.mqtt.subscriptions import Subscriptions
from gatewayd.model.outbox_items import Route
from gatewayd.model.permission import Grant, Permission
from gatewayd.store.store import Store
from tests.common.clock import HandClock
from tests.common.cloud import Health
from tests.common.store import SENSOR, lock, notice, sensor


class SlowSubscriptions(Subscriptions):
    """Without a broker: `answer` lets the next subscription succeed."""

    def __init__(self) -> None:
        self.filters = frozenset()
        self.answer = asyncio.Semaphore(0)
        self.asked = asyncio.Semaphore(0)

    @property
    def may_have_wildcards(self) -> bool:
        return True

    async def set(self, filters: Iterable[str]) -> None:
        wanted = frozenset(filters)
        self.asked.release()
        await self.answer.acquire()
        self.filters = wanted


class SlowConnection(MqttConnection):
    """A connection without a broker."""

    def __init__(self) -> None:
        self.subscriptions = self.slow = SlowSubscriptions()

    def is_suspected(self, topic: str) -> bool:
        return False

    async def check_delivery(self, state_of_gateway: Callable[[], MqttMessage | None]) -> None:
        """There is nothing to check."""

    async def publish(self, message: MqttMessage) -> None:
        """Nobody is there to read it."""


async def test_what_changes_while_the_broker_answers_is_subscribed_too(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "house.db", now=lambda: datetime.now(UTC), zone=UTC, key=bytes(32)) as store:
        await store.mirror.put(replace(lock(), id=7))
        access = AccessControl("owner", store.mirror, store.facts, HandClock(), grants_valid=timedelta(days=7))
        connection = SlowConnection()
        publisher = MqttPublisher(
            store.mirror,
            store.outbox,
            access,
            store.facts,
            Health(),
            "owner",
            incoming=IncomingLimit(MessageLimit("owner")),
        )
        serving = asyncio.create_task(publisher.serve(connection))
        async with asyncio.timeout(5):
            await connection.slow.asked.acquire()
            await store.mirror.put(sensor())
            access.set_grants([Grant("guest", 7, Permission.CONTROL)])
            for _ in range(10):
                connection.slow.answer.release()
            while not {SENSOR, "guest"} <= {part for name in connection.slow.filters for part in name.split("/")}:
                await asyncio.sleep(0.01)
        serving.cancel()


class BreakingConnection(SlowConnection):
    """A connection whose broker acknowledges no message, until `broken` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.slow.answer.release()
        self.published = asyncio.Event()
        self.broken = asyncio.Event()

    async def publish(self, message: MqttMessage) -> None:
        self.published.set()
        await self.broken.wait()
        raise aiomqtt.MqttError("the connection broke")


@pytest.mark.parametrize("steps", range(10))
async def test_rows_wait_again_at_whatever_step_the_connection_breaks(tmp_path: Path, steps: int) -> None:
    """A task that is cancelled before its first step runs none of its code: its row stayed in flight for ever."""
    async with Store.open(tmp_path / "house.db", now=lambda: datetime.now(UTC), zone=UTC, key=bytes(32)) as store:
        access = AccessControl("owner", store.mirror, store.facts, HandClock(), grants_valid=timedelta(days=7))
        publisher = MqttPublisher(
            store.mirror,
            store.outbox,
            access,
            store.facts,
            Health(),
            "owner",
            incoming=IncomingLimit(MessageLimit("owner")),
        )
        await store.outbox.add(notice("1"), notice("2"))
        first, second = await store.outbox.take(Route.MQTT)
        store.outbox.release(first.id)
        connection = BreakingConnection()
        serving = asyncio.create_task(publisher.serve(connection))
        async with asyncio.timeout(5):
            await connection.published.wait()
            connection.broken.set()
            for _ in range(steps):
                await asyncio.sleep(0)
            store.outbox.release(second.id)
            await asyncio.wait({serving})
            assert len(await store.outbox.take(Route.MQTT)) == 2
        with pytest.raises(BaseExceptionGroup):
            await serving
