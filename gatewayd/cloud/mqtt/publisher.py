"""Publishes each device's state as it changes (retained), and the outbox's answers and notices, in order.

It subscribes to the topics of requests as well, since both follow the mirror and the access control. What the broker
refuses is the outcome of its own item: an outbox row is sent again or becomes a dead letter, a state is left out.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from gatewayd.backoff import Backoff
from gatewayd.cloud.mqtt.answers import answer_message
from gatewayd.cloud.mqtt.broker_trouble import BrokerSilentError, MessageRefusedError, UnacknowledgedError
from gatewayd.cloud.mqtt.client import MqttMessage
from gatewayd.cloud.mqtt.connection import MqttConnection
from gatewayd.cloud.mqtt.envelope import write_envelope
from gatewayd.cloud.mqtt.incoming import IncomingLimit
from gatewayd.cloud.mqtt.retained import RetainedTopics
from gatewayd.cloud.mqtt.topics import Topic, request_filters
from gatewayd.model.ids import ExecType, Uuid
from gatewayd.model.outbox_items import AnswerItem, NoticeItem, OutboxItem, Route
from gatewayd.model.permission import Permission
from gatewayd.model.ports import FactStore
from gatewayd.model.privacy import visible_record
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.status import OperationStatus
from gatewayd.store.change_feed import ChangeFeed
from gatewayd.store.mirror import Mirror
from gatewayd.store.outbox import Outbox, OutboxRow

log = structlog.get_logger()

_MAX_IN_FLIGHT: Final = 100  # outbox rows
_ROW_BACKOFF: Final = Backoff(first_s=2.0, longest_s=120.0)
_MAX_ATTEMPTS_REFUSED: Final = 8
_MAX_ATTEMPTS_UNACKNOWLEDGED: Final = 3
_LOOK_AGAIN_S: Final = 1.0
_JUST_S: Final = 1.0
_PAUSE_S: Final = 30.0  # while the broker takes no message at all


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


class HealthSource(Protocol):
    """How the gateway itself is."""

    @property
    def status(self) -> OperationStatus:
        """What its state is published with."""
        ...

    async def next_status(self, status: OperationStatus) -> OperationStatus:
        """Wait until the status is no longer `status`; returns it."""
        ...


class MqttPublisher:
    """Publishes on each connection. States need no outbox: every connection begins with the state of every device.

    A state is retained, for the owner and for every user who may query the device. Which topics hold one is kept in
    `facts`, so that it is cleared when a permission ends or a device goes, even where that happens while the broker is
    away. An item of the outbox that `may_leave` denies waits: its date is about to be corrected. No requests are
    subscribed to of users whom `incoming` has muted.
    """

    def __init__(
        self,
        mirror: Mirror,
        outbox: Outbox,
        access: StateReaders,
        facts: FactStore,
        health: HealthSource,
        owner: str,
        *,
        incoming: IncomingLimit,
        may_leave: Callable[[OutboxItem], bool] = lambda _: True,
    ) -> None:
        self._mirror = mirror
        self._outbox = outbox
        self._access = access
        self._retained = RetainedTopics(facts)
        self._health = health
        self._owner = owner
        self._incoming = incoming
        self._may_leave = may_leave
        self._probing = asyncio.Lock()
        self.published = 0

    async def serve(self, connection: MqttConnection) -> None:
        """Subscribe, publish every state, then publish what changes and what is in the outbox, until it breaks."""
        with self._mirror.subscribe() as feed:
            # Taken before topics are subscribed: what changes while the broker answers is subscribed anew.
            known, version = {record.uuid for record in self._mirror.all()}, self._access.version
            status = self._health.status
            await self._resubscribe(connection)
            self._feed_every_record(feed)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_mirror(connection, feed, known, version))
                tasks.create_task(self._follow_access(feed, version))
                tasks.create_task(self._follow_health(feed, status))
                tasks.create_task(self._follow_mutes(connection))
                tasks.create_task(self._publish_items(connection))
                tasks.create_task(connection.check_delivery(self._echo))

    async def _follow_mirror(
        self, connection: MqttConnection, feed: ChangeFeed, known: set[Uuid], version: int
    ) -> None:
        while True:
            for uuid in self._suspects_last(connection, await feed.take()):
                record = self._mirror.get(uuid)
                is_added_or_removed = (record is None) == (uuid in known)
                if is_added_or_removed or self._access.version != version:
                    known ^= {uuid} if is_added_or_removed else set()
                    version = self._access.version
                    await self._resubscribe(connection)
                await self._publish_states(connection, uuid, record)

    async def _publish_states(self, connection: MqttConnection, uuid: Uuid, record: Record | None) -> None:
        """Publish the state to the owner and to every user who may query; clear it where somebody no longer may.

        A state that the broker refuses, or that cannot be encoded, is left out.
        """
        try:
            states = {} if record is None or record.unlinked else self._states_of(record)
        except Exception:
            log.exception("state_not_encoded", uuid=uuid)
            return
        stale = self._retained.of(uuid) - states.keys()
        await self._retained.add(uuid, states.keys())
        for topic in stale:
            with suppress(MessageRefusedError, UnacknowledgedError):
                await connection.publish(MqttMessage(topic, b"", qos=1, retain=True))
                await self._retained.discard(uuid, {topic})
        for message in states.values():
            with suppress(MessageRefusedError):  # the connection has noted it
                await connection.publish(message)
                self.published += 1

    def _states_of(self, record: Record) -> dict[str, MqttMessage]:
        """The state for each user who may query the device, by its topic."""
        status = self._status_of(record)
        states = [state_of(record, status, self._owner)]
        for user in self._access.topic_users(record.uuid):
            level = self._access.level(user, record.uuid)
            visible = visible_record(record, level)
            if user != self._owner and visible is not None:
                states.append(state_of(replace(visible, perm=int(level)), status, user))
        return {state.topic: state for state in states}

    def _status_of(self, record: Record) -> OperationStatus:
        if isinstance(record.param, GatewayParam):
            return self._health.status
        return OperationStatus.DEVICE_NORMAL if record.param.status == 1 else OperationStatus.OFFLINE

    async def _follow_access(self, feed: ChangeFeed, version: int) -> None:
        """Publish every state anew when the users of a device have changed: other topics are to be subscribed then."""
        while True:
            version = await self._access.next_version(version)
            self._feed_every_record(feed)

    async def _follow_health(self, feed: ChangeFeed, status: OperationStatus) -> None:
        """Publish the gateway's own state anew when that of its radio or its disk has changed."""
        while True:
            status = await self._health.next_status(status)
            feed.add_all(record.uuid for record in self._mirror.all() if isinstance(record.param, GatewayParam))

    async def _follow_mutes(self, connection: MqttConnection) -> None:
        """Unsubscribe from the topics of users who are muted: what they send is the broker's to drop then."""
        muted: frozenset[str] = frozenset()
        while True:
            muted = await self._incoming.next_muted(muted)
            await self._resubscribe(connection)

    def _feed_every_record(self, feed: ChangeFeed) -> None:
        feed.add_all(record.uuid for record in self._mirror.all())
        feed.add_all(self._retained.devices)

    def _suspects_last(self, connection: MqttConnection, uuids: Iterable[Uuid]) -> list[Uuid]:
        """Those whose state seems to have ended a connection come last."""
        return sorted(uuids, key=lambda uuid: any(map(connection.is_suspected, self._retained.of(uuid))))

    async def _publish_items(self, connection: MqttConnection) -> None:
        """Publish the outbox's rows in their order. No row waits for another's acknowledgement."""
        accepted = _AcceptedRows()
        running: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._delete_accepted(accepted))
                while True:
                    while len(running) >= _MAX_IN_FLIGHT:
                        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for row in await self._outbox.take(Route.MQTT, _MAX_IN_FLIGHT - len(running)):
                        if not self._may_leave(row.item):
                            self._outbox.delay(row.id, _LOOK_AGAIN_S)
                            continue
                        task = tasks.create_task(self._deliver(connection, row, accepted))
                        running.add(task)
                        task.add_done_callback(running.discard)
                        task.add_done_callback(partial(self._release_unsettled, row.id))
        finally:
            await self._outbox.done(*accepted.take())

    def _release_unsettled(self, id: int, delivery: asyncio.Task[None]) -> None:
        """Let a row wait again whose delivery was broken off, before its first step even: then none of its code ran."""
        if delivery.cancelled() or delivery.exception() is not None:
            self._outbox.release(id)

    async def _deliver(self, connection: MqttConnection, row: OutboxRow, accepted: "_AcceptedRows") -> None:
        """Publish a row and settle what became of it. Raises aiomqtt.MqttError; the row is to be released then."""
        try:
            messages = messages_of(self._visible_item(row.item), self._owner)
        except Exception as error:
            log.exception("outbox_row_not_encoded", id=row.id)
            await self._outbox.dead_letter(row.id, f"it cannot be encoded: {type(error).__name__} {error}")
            return
        outcomes = await asyncio.gather(*(connection.publish(message) for message in messages), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            await self._settle_failure(connection, row, failures)
        else:
            accepted.add(row.id)

    def _visible_item(self, item: OutboxItem) -> OutboxItem:
        """`item` as its receiver may see it now: his permission may have ended while it waited."""
        if not isinstance(item, AnswerItem):
            return item
        return replace(item, record=visible_record(item.record, self._access.level(item.user, item.uuid)))

    async def _settle_failure(
        self, connection: MqttConnection, row: OutboxRow, failures: Iterable[BaseException]
    ) -> None:
        """Postpone the row, or move it to the dead letters, where it is at fault and not the broker.

        Raises aiomqtt.MqttError where the connection is to end.
        """
        error: MessageRefusedError | UnacknowledgedError | None = None
        for failure in failures:
            if not isinstance(failure, MessageRefusedError | UnacknowledgedError):
                raise failure
            error = failure
        assert error is not None
        if isinstance(error, MessageRefusedError) and error.is_final:
            await self._outbox.dead_letter(row.id, str(error))
            return
        if not await self._is_another_accepted(connection):
            if isinstance(error, UnacknowledgedError):
                raise BrokerSilentError("the broker acknowledges no message")
            self._outbox.delay(row.id, _PAUSE_S)
            return
        is_refused = isinstance(error, MessageRefusedError)
        most, attempts = _MAX_ATTEMPTS_REFUSED if is_refused else _MAX_ATTEMPTS_UNACKNOWLEDGED, row.attempts + 1
        if attempts >= most:
            await self._outbox.dead_letter(row.id, f"{error}; attempt {attempts} of {most}")
        else:
            self._outbox.postpone(row.id, _ROW_BACKOFF.pause_s(attempts), str(error))

    async def _is_another_accepted(self, connection: MqttConnection) -> bool:
        """Publish the gateway's state once more, with QoS 1: whether the broker takes any message at all.

        One that it has just accepted will do. Raises aiomqtt.MqttError.
        """
        async with self._probing:  # many rows fail at once: one message tells all of them
            if asyncio.get_running_loop().time() - connection.accepted_at < _JUST_S:
                return True
            return await self._is_gateway_state_accepted(connection)

    async def _is_gateway_state_accepted(self, connection: MqttConnection) -> bool:
        if (state := self._state_of_gateway()) is None:
            return False
        try:
            await connection.publish(dataclasses.replace(state, qos=1))
        except (MessageRefusedError, UnacknowledgedError):
            return False
        return True

    def _echo(self) -> MqttMessage | None:
        """What shows that the broker delivers: the gateway's state, which nobody takes for a request."""
        state = self._state_of_gateway()
        return None if state is None else dataclasses.replace(state, qos=1, retain=False)

    def _state_of_gateway(self) -> MqttMessage | None:
        gateway = next((record for record in self._mirror.all() if isinstance(record.param, GatewayParam)), None)
        return None if gateway is None else state_of(gateway, self._health.status, self._owner)

    async def _delete_accepted(self, accepted: "_AcceptedRows") -> None:
        """Delete what the broker has accepted: all that came while the former were deleted, in one transaction."""
        while True:
            await accepted.wait()
            ids = accepted.take()
            await self._outbox.done(*ids)
            self.published += len(ids)

    async def _resubscribe(self, connection: MqttConnection) -> None:
        wildcards, muted = connection.subscriptions.may_have_wildcards, self._incoming.muted()
        await connection.subscriptions.set(
            name
            for record in self._mirror.all()
            for user in self._access.topic_users(record.uuid)
            if user not in muted
            for name in request_filters(user, record.category, record.uuid, wildcards=wildcards)
        )


class _AcceptedRows:
    """Ids of rows that the broker has accepted and the outbox still has."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._are_there = asyncio.Event()

    def add(self, id_: int) -> None:
        self._ids.append(id_)
        self._are_there.set()

    def take(self) -> list[int]:
        taken, self._ids = self._ids, []
        self._are_there.clear()
        return taken

    async def wait(self) -> None:
        await self._are_there.wait()


def state_of(record: Record, status: OperationStatus, user: str) -> MqttMessage:
    """A device's state, as `user` is to see it: retained, QoS 0 (§4.1's default)."""
    return MqttMessage(
        str(Topic(user, record.category, record.uuid, ExecType.UPDATE)),
        write_envelope(status, record),
        retain=True,
        reduced=write_envelope(status, record, has_param=False),
    )


def last_will(gateway: Record, owner: str) -> MqttMessage:
    """The message that the broker publishes when the connection breaks."""
    topic = Topic(owner, gateway.category, gateway.uuid, ExecType.UPDATE)
    return MqttMessage(
        str(topic),
        write_envelope(OperationStatus.OFFLINE, gateway),
        retain=True,
        reduced=write_envelope(OperationStatus.OFFLINE, gateway, has_param=False),
    )


def messages_of(item: OutboxItem, owner: str) -> tuple[MqttMessage, ...]:
    """The messages of an outbox row's item."""
    match item:
        case AnswerItem():
            topic = Topic(item.user, item.category, item.uuid, item.exectype)
            return (answer_message(topic, OperationStatus[item.status], item.record, item.sn),)
        case NoticeItem():
            topic, status = Topic(owner, item.category, item.uuid, item.exectype), OperationStatus[item.status]
            whole, reduced = (write_envelope(status, item.record, item.sn, has_param=whole) for whole in (True, False))
            return (MqttMessage(str(topic), whole, qos=1, reduced=reduced),)
        case _:
            raise TypeError(f"{type(item).__name__} is not sent over MQTT")
