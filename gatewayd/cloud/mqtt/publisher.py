"""Publishes each device's state as it changes (retained), and the outbox's answers and notices, in order.

It subscribes to the topics of requests as well, since both follow the mirror and the access control.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog
from msgspec.structs import replace

from gatewayd.cloud.mqtt.envelope import write_envelope
from gatewayd.cloud.mqtt.retained import RetainedTopics
from gatewayd.cloud.mqtt.session import MqttConnection, MqttMessage
from gatewayd.cloud.mqtt.topics import Topic, subscription
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem, NoticeItem, Route
from gatewayd.model.permission import Permission
from gatewayd.model.ports import FactStore
from gatewayd.model.privacy import visible_record
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.status import OperationStatus
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()


class StateReaders(Protocol):
    """The users whose topics are subscribed: the owner, and those that the cloud has authorized."""

    version: int
    """Another number after each change of the users."""

    def topic_users(self, uuid: Uuid) -> Iterable[str]:
        """The users of a device."""
        ...

    def level(self, user: str, uuid: Uuid) -> Permission:
        """The permission of `user` on the device."""
        ...

    async def next_version(self, version: int) -> int:
        """Wait until `version` is no longer the present one; returns that."""
        ...


class MqttPublisher:
    """Publishes on each connection. States need no outbox: every connection begins with the state of every device.

    A state is retained, for the owner and for every user who may query the device. Which topics hold one is kept in
    `facts`, so that it is cleared when a permission ends or a device goes, even where that happens while the broker is
    away.
    """

    def __init__(self, mirror: Mirror, outbox: Outbox, access: StateReaders, facts: FactStore, owner: str) -> None:
        self._mirror = mirror
        self._outbox = outbox
        self._access = access
        self._retained = RetainedTopics(facts)
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
                await self._publish_state(connection, uuid, record)

    async def _publish_state(self, connection: MqttConnection, uuid: Uuid, record: Record | None) -> None:
        """Publish the state to the owner and to every user who may query; clear it where somebody no longer may."""
        states = {} if record is None or record.unlinked else self._states_of(record)
        stale = self._retained.of(uuid) - states.keys()
        await self._retained.add(uuid, states.keys())
        for topic in stale:
            await connection.publish(MqttMessage(topic, b"", qos=1, retain=True))
        await self._retained.discard(uuid, stale)
        for message in states.values():
            await connection.publish(message)
            self.published += 1

    def _states_of(self, record: Record) -> dict[str, MqttMessage]:
        """The state for each user who may query the device, by its topic."""
        states = [state_of(record, self._owner)]
        for user in self._access.topic_users(record.uuid):
            level = self._access.level(user, record.uuid)
            visible = visible_record(record, level)
            if user != self._owner and visible is not None:
                states.append(state_of(replace(visible, perm=int(level)), user))
        return {state.topic: state for state in states}

    async def _follow_access(self, feed: ChangeFeed, version: int) -> None:
        """Publish every state anew when the users of a device have changed: other topics are to be subscribed then."""
        while True:
            version = await self._access.next_version(version)
            self._feed_every_record(feed)

    def _feed_every_record(self, feed: ChangeFeed) -> None:
        feed.add_all(record.uuid for record in self._mirror.all())
        feed.add_all(self._retained.devices)

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


def state_of(record: Record, user: str) -> MqttMessage:
    """A device's state, as `user` is to see it: retained, QoS 0 (§4.1's default)."""
    return MqttMessage(
        str(Topic(user, record.category, record.uuid, ExecType.UPDATE)),
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
