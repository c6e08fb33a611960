"""What the cloud still has to hear: the words that wait in the outbox until the cloud has taken them.

They are structs with a tag, so that the store can keep them as JSON without knowing any of them. Answers and notices
travel over MQTT, the others over REST. A device's plain state is none of these: it is read from the mirror.
"""

import msgspec

from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.record import Record


class AnswerItem(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """The final answer to a request (§4.2), on the topic it came on. `status` is the name of an `Operation`."""

    user: str
    category: Category
    uuid: Uuid
    exectype: ExecType
    sn: str
    status: str
    record: Record | None = None


class NoticeItem(msgspec.Struct, frozen=True, kw_only=True, tag="notice"):
    """Something that happened at a device: joined, left, a lock's event, an alarm; on the owner's topic, QoS 1.

    `sn` is this notice's own and stays the same when it is sent again. `status` is the name of an `Operation`.
    """

    category: Category
    uuid: Uuid
    exectype: ExecType
    sn: str
    status: str
    record: Record


class RecordItem(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """The cloud's copy of a device's record is behind the mirror (§2.1, POST or PUT). At most one waits a device."""

    uuid: Uuid


class RemovalItem(msgspec.Struct, frozen=True, kw_only=True, tag="removal"):
    """The cloud still has a record of a device that is gone (§2.1, DELETE).

    `id` is the cloud's; None where it never said one: it may have taken the record all the same.
    """

    uuid: Uuid
    id: int | None


class MessageItem(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """A message to the household (§2.9). `occur_time` is the API's text; `level` 1 notice, 2 reminder, 3 alarm.

    The API's times have whole seconds and its messages no key of ours, so messages of one second look alike:
    `ordinal` says which of them this is, 1, 2 …; as they go out in order, the cloud has it if it has so many.
    """

    uuid: Uuid
    message_type: str
    flag: str
    level: int
    occur_time: str
    key_id: int | None = None
    receiver: str | None = None
    ordinal: int = 1


MqttItem = AnswerItem | NoticeItem
RestItem = RecordItem | RemovalItem | MessageItem
OutboxItem = MqttItem | RestItem
