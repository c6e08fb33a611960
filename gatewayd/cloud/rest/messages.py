"""§2.9 and §2.6: messages to the household, and alarms by SMS."""

from collections.abc import AsyncIterator
from enum import StrEnum

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.rows import ApiRow, Id
from gatewayd.model.outbox_items import MessageItem


class CloudMessage(ApiRow, frozen=True, kw_only=True):
    """`level`: 1 notice, 2 reminder, 3 alarm. `occur_time` is when it happened, `created_time` when the cloud heard."""

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
    """§2.6's kinds of SMS, in its spelling."""

    ILLEGAL_UNLOCK = "illegalunlock"
    HIJACK = "hijack"
    TEMPORARY_AUTHORIZATION = "temperary_authrization"


class MessagesApi:
    """§2.9 and §2.6, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

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
        """The user's messages; the bounds (by level, by `occur_time`) belong to what they let through."""
        return self._caller.rows(
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
        """Raises RefusedByCloudError."""
        return await self._caller.row("messages.get", CloudMessage, id_=id_)

    async def create(self, message: CloudMessage) -> CloudMessage:
        """A new message with the content that the cloud makes of it. Raises NotThereError (the device),
        UncertainError.
        """
        return await self._caller.say("messages.create", message)

    async def delete(self, id_: int) -> None:
        """Raises RefusedByCloudError."""
        await self._caller.msg("messages.delete", id_=id_)

    async def count_like(self, info_id: int, due: MessageItem) -> int:
        """How many messages of this device, flag and moment the cloud has."""
        moment = due.occur_time
        found = self.list(info_id=info_id, date_gte=moment, date_lte=moment)
        return sum([one.flag == due.flag and one.occur_time == moment async for one in found])

    async def send_alarm(self, alarm: SmsAlarm, *, device: str, name: str, receiver: str) -> str:
        """§2.6: an SMS to the phone `receiver`; the serial number that it got. Raises UncertainError."""
        params = {"msg_type": alarm.value, "device": device, "name": name, "receiver": receiver}
        return await self._caller.data("messages.send_alarm", str, params=params)


def message_of(info_id: int, due: MessageItem) -> CloudMessage:
    """The message that is due of the device `info_id`."""
    return CloudMessage(
        info_id=info_id,
        level=due.level,
        message_type=due.message_type,
        flag=due.flag,
        key_id=due.key_id,
        occur_time=due.occur_time,
        receiver=due.receiver,
    )
