"""What belongs to no list of the cloud's: its clock and feedback (both §2.13), sharing (§2.15), SMS and push (§11)."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.records import read_record
from gatewayd.cloud.rest.rows import ApiRow
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire

_YEAR_3000: Final = 32_503_680_000
"""In seconds: what is more is in milliseconds, or nonsense."""


class _Timestamp(msgspec.Struct):
    timestamp: Annotated[int, Meta(ge=0, lt=_YEAR_3000)]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is the picture in base64, `image_type` "jpg" or the like."""

    code: str
    image_type: str


class Feedback(ApiRow, frozen=True, kw_only=True):
    """`category`: 1 gateway, 2 lock, 3 camera, 4 switch, 5 socket, 6 curtain, 7 infrared, 8 panel, 9 sensor, 10 app,
    11 other. `images` are addresses in the cloud's answer.
    """

    category: int
    content: str
    contact: int | str | None = None
    images: list[str] = msgspec.field(default_factory=list)
    created_time: str | None = None


class ServiceApi:
    """The cloud's clock, feedback, sharing, SMS and push, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def timestamp(self) -> int:
        """§2.13: the cloud's clock, Unix seconds."""
        return (await self._caller.data("service.timestamp", _Timestamp)).timestamp

    async def send_feedback(
        self, category: int, content: str, *, contact: int | str | None = None, images: tuple[Picture, ...] = ()
    ) -> Feedback:
        """§2.13, the other one. Raises UncertainError."""
        params: dict[str, Any] = {"category": category, "content": content}
        if contact is not None:
            params["contact"] = contact
        if images:
            params["images"] = msgspec.to_builtins(images)
        return await self._caller.row("service.send_feedback", Feedback, params=params)

    async def share(self, receiver: str, platform: str) -> str:
        """§2.15: send the phone `receiver` where to get the app of `platform` ("ios", "android"). Raises
        UncertainError.
        """
        return await self._caller.data("service.share", str, params={"receiver": receiver, "platform": platform})

    async def send_sms(self, record: Record) -> Record:
        """§11 SMS: about the device of `record`. Raises RefusedByCloudError, UncertainError."""
        return await self._sent("service.send_sms", record)

    async def send_push(self, record: Record) -> Record:
        """§11 push: about the device of `record`. Raises RefusedByCloudError, UncertainError."""
        return await self._sent("service.send_push", record)

    async def _sent(self, name: str, record: Record) -> Record:
        wire = to_wire(record)
        wire["type"] = wire.pop("type_sub", record.type_sub)  # §11 says `type` of a gateway too
        return await self._caller.read(name, read_record, params=wire)
