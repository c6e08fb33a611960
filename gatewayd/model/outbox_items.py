"""What still has to be sent to the cloud. The store's outbox keeps each item until the cloud has accepted it.

An item is a struct with a tag, so that the store writes it as JSON without knowing its fields; its class says how the
outbox treats it. How it is sent is left to cloud/mqtt and cloud/delivery. A device's state on MQTT is no item: the
publisher reads it from the mirror.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final, get_args

import msgspec

from gatewayd.model.api_time import UnsureDate
from gatewayd.model.ids import Category, ExecType, Sn, Uuid
from gatewayd.model.record import Record


class Route(StrEnum):
    """How an item is sent. The outbox has one queue for each route."""

    MQTT = "mqtt"
    REST = "rest"


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item about the device `uuid`, and how the outbox treats its kind.

    A new kind is a subclass with a tag, a member of one of the unions below, and a handler in cloud/delivery.
    """

    uuid: Uuid

    route: ClassVar[Route]

    lifetime: ClassVar[timedelta | None] = None
    """When the outbox is too large, or the disk nearly full, an item older than this is dropped. None: never."""

    coalesces: ClassVar[bool] = False
    """The item says only that the cloud is behind, and what is sent is read when it is sent: so one waiting item of a
    device is enough, to send it twice does no harm, and later items do not wait for one that is postponed.
    """

    is_barrier: ClassVar[bool] = False
    """An item before this one does not coalesce with one after it."""

    is_pipelined: ClassVar[bool] = False
    """Several of a device that follow one another may be in flight at once."""

    @classmethod
    def kind(cls) -> str:
        """The struct's tag: what the database and people call this kind of item."""
        return str(cls.__struct_config__.tag)


class AnswerItem(_Item, frozen=True, kw_only=True, tag="answer"):
    """The final answer to a request (§4.2), on the topic of the request. `status` is the name of an OperationStatus."""

    route: ClassVar = Route.MQTT
    lifetime: ClassVar = timedelta(hours=1)  # the app has long stopped waiting
    is_pipelined: ClassVar = True

    user: str
    category: Category
    exectype: ExecType
    sn: Sn
    status: str
    record: Record | None = None


class NoticeItem(_Item, frozen=True, kw_only=True, tag="notice"):
    """An event of a device (joined, left, a lock's event, an alarm) on the owner's topic, QoS 1.

    `sn` is this notice's own and stays the same when it is sent again. `status` is the name of an OperationStatus.
    `unsure` says that the record's `update_time` is by no right clock.
    """

    route: ClassVar = Route.MQTT
    is_pipelined: ClassVar = True

    category: Category
    exectype: ExecType
    sn: str
    status: str
    record: Record
    unsure: UnsureDate | None = None


class RecordItem(_Item, frozen=True, kw_only=True, tag="record"):
    """The cloud's copy of a device's record is behind the mirror (§2.1, POST or PUT)."""

    route: ClassVar = Route.REST
    coalesces: ClassVar = True


class RemovalItem(_Item, frozen=True, kw_only=True, tag="removal"):
    """The cloud still has a record of a device that has left (§2.1, DELETE).

    `id` is the cloud's; None where the cloud has never answered with one: it may have created the record all the same.
    """

    route: ClassVar = Route.REST
    is_barrier: ClassVar = True

    id: int | None


class MessageItem(_Item, frozen=True, kw_only=True, tag="message"):
    """A message to the household (§2.9). `occur_time` is the API's text; `level` 1 notice, 2 reminder, 3 alarm.

    The API's times have whole seconds and its messages carry no key of ours, so messages of one second look alike.
    `ordinal` says which of them this is, 1, 2 …: they are sent in order, so the cloud has it if it has that many.
    `unsure` says that `occur_time` is by no right clock.
    """

    route: ClassVar = Route.REST
    is_pipelined: ClassVar = True

    message_type: str
    flag: str
    level: int
    occur_time: str
    key_id: int | None = None
    receiver: str | None = None
    ordinal: int = 1
    unsure: UnsureDate | None = None


MqttItem = AnswerItem | NoticeItem
RestItem = RecordItem | RemovalItem | MessageItem
OutboxItem = MqttItem | RestItem

ITEM_TYPES: Final[Mapping[str, type[OutboxItem]]] = MappingProxyType({one.kind(): one for one in get_args(OutboxItem)})
"""Each kind of item by its name in the database."""
