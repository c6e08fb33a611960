"""What goes up over MQTT: each device's state as it changes, and the outbox's answers and notices, in order."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

from gatewayd.cloud.mqtt.envelope import write_envelope
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage
from gatewayd.cloud.mqtt.topics import Topic, subscription
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem, NoticeItem, Route
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.status import OperationStatus
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()


class TopicUsers(Protocol):
    """Who may ask things of a device: the owner, and whom the cloud has authorized. `version` changes with them."""

    version: int

    def users_of(self, uuid: Uuid) -> Iterable[str]: ...

    async def next_version(self, version: int) -> int: ...


class MqttPublisher:
    """Speaks for the gateway on a line. States need no outbox: each new line begins with all of them."""

    def __init__(self, mirror: Mirror, outbox: Outbox, access: TopicUsers, owner: str) -> None:
        self._mirror = mirror
        self._outbox = outbox
        self._access = access
        self._owner = owner
        self.published = 0

    async def serve(self, connection: MqttConnection) -> None:
        """Greet, then publish whatever changes or is due, until the line breaks."""
        with self._mirror.subscribe() as feed:
            # Taken before topics are subscribed: what changes while the broker answers is subscribed anew.
            known, version = {record.uuid for record in self._mirror.all()}, self._access.version
            await self._resubscribe(connection)
            self._feed_every_record(feed)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._states(connection, feed, known, version))
                tasks.create_task(self._follow_access(feed, version))
                tasks.create_task(self._due(connection))

    async def _states(self, connection: MqttConnection, feed: ChangeFeed, known: set[Uuid], version: int) -> None:
        while True:
            for uuid in await feed.take():
                record = self._mirror.get(uuid)
                is_news = (record is None) == (uuid in known)
                if is_news or self._access.version != version:
                    known ^= {uuid} if is_news else set()
                    version = self._access.version
                    await self._resubscribe(connection)
                if record is not None:
                    await connection.publish(state_of(record, self._owner))
                    self.published += 1

    async def _follow_access(self, feed: ChangeFeed, version: int) -> None:
        """Publish every state anew when the users of a device have changed: other topics are to be subscribed then."""
        while True:
            version = await self._access.next_version(version)
            self._feed_every_record(feed)

    def _feed_every_record(self, feed: ChangeFeed) -> None:
        feed.add_all(record.uuid for record in self._mirror.all())

    async def _due(self, connection: MqttConnection) -> None:
        while True:
            rows = await self._outbox.take(Route.MQTT, 100)
            try:
                await self._send(connection, rows)
            except BaseException:
                self._outbox.release(*(row.id for row in rows))
                raise
            await self._outbox.done(*(row.id for row in rows))
            self.published += len(rows)

    async def _send(self, connection: MqttConnection, rows: tuple[OutboxRow, ...]) -> None:
        """All at once, in order: MQTT keeps the order of one line, and the acknowledgements come when they come."""
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                for message in messages_of(row, self._owner):
                    tasks.create_task(connection.publish(message))

    async def _resubscribe(self, connection: MqttConnection) -> None:
        await connection.keep_subscribed(
            subscription(user, record.category, record.uuid)
            for record in self._mirror.all()
            for user in self._access.users_of(record.uuid)
        )


def state_of(record: Record, owner: str) -> MqttMessage:
    """A device's state: retained, QoS 0 (§4.1's default)."""
    return MqttMessage(
        str(Topic(owner, record.category, record.uuid, ExecType.UPDATE)),
        write_envelope(_meaning_of_state(record), record),
        retain=True,
    )


def last_will(gateway: Record, owner: str) -> MqttMessage:
    """What the broker says of the gateway when the line breaks."""
    topic = Topic(owner, gateway.category, gateway.uuid, ExecType.UPDATE)
    return MqttMessage(str(topic), write_envelope(OperationStatus.OFFLINE, gateway), retain=True)


def messages_of(row: OutboxRow, owner: str) -> tuple[MqttMessage, ...]:
    """A row of the MQTT lane as what goes out. A device that left takes its retained state with it."""
    item = row.item
    match item:
        case AnswerItem():
            topic = Topic(item.user, item.category, item.uuid, item.exectype)
            return (MqttMessage(str(topic), write_envelope(OperationStatus[item.status], item.record, item.sn), qos=1),)
        case NoticeItem():
            topic = Topic(owner, item.category, item.uuid, item.exectype)
            notice = MqttMessage(str(topic), write_envelope(OperationStatus[item.status], item.record, item.sn), qos=1)
            if item.exectype is not ExecType.DELETE:
                return (notice,)
            state = Topic(owner, item.category, item.uuid, ExecType.UPDATE)
            return notice, MqttMessage(str(state), b"", qos=1, retain=True)
        case _:
            raise TypeError(f"{type(item).__name__} does not travel over MQTT")


def _meaning_of_state(record: Record) -> OperationStatus:
    if isinstance(record.param, GatewayParam):
        return OperationStatus.NORMAL
    return OperationStatus.DEVICE_NORMAL if record.param.status == 1 else OperationStatus.OFFLINE
