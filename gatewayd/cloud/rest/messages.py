"""§2.9 Message Management and §2.6 sms alarm: messages to the household, and alarms by SMS."""

from collections.abc import AsyncIterator
from enum import StrEnum

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id
from gatewayd.model.outbox_items import MessageItem


class CloudMessage(ApiObject, frozen=True, kw_only=True):
    """A message. `level`: 1 notice, 2 reminder, 3 alarm. `occur_time`: of the event; `created_time`: of the POST."""

    id: Id | None = None
    user_id: int | None = None
    info_id: int | None = None
    category: str = ""
    level: int = 1
    message_type: str = ""
    flag: str = ""
    key_id: int | None = None
    created_time: str | None = None
    occur_time: str | None = None
    receiver: str | None = None
    content: str = ""


class SmsAlarm(StrEnum):
    """The `msg_type` of an SMS (§2.6), in the API's spelling."""

    ILLEGAL_UNLOCK = "illegalunlock"
    HIJACK = "hijack"
    TEMPORARY_AUTHORIZATION = "temperary_authrization"


class MessagesApi:
    """§2.9 and §2.6. `create` returns the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(
        self,
        *,
        info_id: int | None = None,
        category: str | None = None,
        level: int | None = None,
        level_gte: int | None = None,
        level_lte: int | None = None,
        date_gte: str | None = None,
        date_lte: str | None = None,
    ) -> AsyncIterator[CloudMessage]:
        """The user's messages that match the filters; `_gte` and `_lte` include the bound, dates are `occur_time`'s."""
        return self._session.list_objects(
            "messages.list",
            CloudMessage,
            info_id=info_id,
            category=category,
            level=level,
            level_gte=level_gte,
            level_lte=level_lte,
            date_gte=date_gte,
            date_lte=date_lte,
        )

    async def get(self, id_: int) -> CloudMessage:
        """The message with that id. Raises RefusedByCloudError."""
        return await self._session.call_for_object("messages.get", CloudMessage, id_=id_)

    async def create(self, message: CloudMessage) -> CloudMessage:
        """Create `message`, whose content the cloud composes.

        Raises NotFoundError (the device), UncertainError.
        """
        return await self._session.send_object("messages.create", message)

    async def delete(self, id_: int) -> None:
        """Delete the message with that id. Raises RefusedByCloudError."""
        await self._session.call("messages.delete", id_=id_)

    async def count_same(self, info_id: int, item: MessageItem) -> int:
        """How many messages with this device, flag and `occur_time` the cloud has."""
        time = item.occur_time
        messages = self.list(info_id=info_id, date_gte=time, date_lte=time)
        return sum([message.flag == item.flag and message.occur_time == time async for message in messages])

    async def send_alarm(self, alarm: SmsAlarm, *, device: str, name: str, receiver: str) -> str:
        """§2.6: send an SMS to the phone `receiver`; returns its serial number. Raises UncertainError."""
        params = {"msg_type": alarm.value, "device": device, "name": name, "receiver": receiver}
        return await self._session.call_for_data("messages.send_alarm", str, params=params)


def cloud_message(info_id: int, item: MessageItem) -> CloudMessage:
    """The message of an outbox item, about the device with the cloud's id `info_id`."""
    return CloudMessage(
        info_id=info_id,
        level=item.level,
        message_type=item.message_type,
        flag=item.flag,
        key_id=item.key_id,
        occur_time=item.occur_time,
        receiver=item.receiver,
    )
