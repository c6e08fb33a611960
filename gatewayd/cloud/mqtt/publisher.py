"""Publishes each device's state as it changes (retained), and the outbox's answers and notices, in order.

It subscribes to the topics of requests as well, since both follow the mirror and the access control.
"""

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
    """The users whose topics are subscribed: the owner, and those that the cloud has authorized."""

    version: int
    """Another number after each change of the users."""

    def topic_users(self, uuid: Uuid) -> Iterable[str]:
        """The users of a device."""
        ...

    async def next_version(self, version: int) -> int:
        """Wait until `version` is no longer the present one; returns that."""
        ...


class MqttPublisher:
    """Publishes on each connection. States need no outbox: every connection begins with the state of every device."""

    def __init__(self, mirror: Mirror, outbox: Outbox, access: TopicUsers, owner: str) -> None:
        self._mirror = mirror
        self._outbox = outbox
        self._access = access
        self._owner = owner
        self.published = 0

    async def serve(self, connection: MqttConnection) -> None:
        """Subscribe, publish every state, then publish what changes and what is in the outbox, until it breaks."""
        with self._mirror.subscribe() as feed:
            # Taken before topics are subscribed: what changes while the broker answers is subscribed anew.
            known, version = {record.uuid for record in self._mirror.all()}, self._access.version
            await self._resubscribe(connection)
            self._feed_every_record(feed)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish_states(connection, feed, known, version))
                tasks.create_task(self._follow_access(feed, version))
                tasks.create_task(self._publish_items(connection))

    async def _publish_states(
        self, connection: MqttConnection, feed: ChangeFeed, known: set[Uuid], version: int
    ) -> None:
        while True:
            for uuid in await feed.take():
                record = self._mirror.get(uuid)
                is_added_or_removed = (record is None) == (uuid in known)
                if is_added_or_removed or self._access.version != version:
                    known ^= {uuid} if is_added_or_removed else set()
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

    async def _publish_items(self, connection: MqttConnection) -> None:
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
        """Publish without waiting for one another's acknowledgement: MQTT keeps the order of a connection."""
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                for message in messages_of(row, self._owner):
                    tasks.create_task(connection.publish(message))

    async def _resubscribe(self, connection: MqttConnection) -> None:
        await connection.set_subscriptions(
            subscription(user, record.category, record.uuid)
            for record in self._mirror.all()
            for user in self._access.topic_users(record.uuid)
        )


def state_of(record: Record, owner: str) -> MqttMessage:
    """A device's state: retained, QoS 0 (§4.1's default)."""
    return MqttMessage(
        str(Topic(owner, record.category, record.uuid, ExecType.UPDATE)),
        write_envelope(_status_of_state(record), record),
        retain=True,
    )


def last_will(gateway: Record, owner: str) -> MqttMessage:
    """The message that the broker publishes when the connection breaks."""
    topic = Topic(owner, gateway.category, gateway.uuid, ExecType.UPDATE)
    return MqttMessage(str(topic), write_envelope(OperationStatus.OFFLINE, gateway), retain=True)


def messages_of(row: OutboxRow, owner: str) -> tuple[MqttMessage, ...]:
    """The messages of an outbox row. With the notice that a device has left, its retained state is cleared."""
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
            raise TypeError(f"{type(item).__name__} is not sent over MQTT")


def _status_of_state(record: Record) -> OperationStatus:
    if isinstance(record.param, GatewayParam):
        return OperationStatus.NORMAL
    return OperationStatus.DEVICE_NORMAL if record.param.status == 1 else OperationStatus.OFFLINE
