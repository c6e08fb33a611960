"""§2.13 get_timestamp, §2.13 feedback, §2.15 share, §11 SMS and PUSH: sections of one call each, without lists."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject
from gatewayd.cloud.rest.records import decode_record
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire

_YEAR_3000: Final = 32_503_680_000
"""Unix seconds; a greater number is in milliseconds, or wrong."""


class _Timestamp(msgspec.Struct):
    timestamp: Annotated[int, Meta(ge=0, lt=_YEAR_3000)]


class FeedbackImage(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is the image in base64, `image_type` "jpg" or the like."""

    code: str
    image_type: str


class Feedback(ApiObject, frozen=True, kw_only=True):
    """A user's feedback. `category`: 1 gateway, 2 lock, 3 camera, 4 switch, 5 socket, 6 curtain, 7 infrared, 8 panel,
    9 sensor, 10 app, 11 other. `images` are addresses in the cloud's answer.
    """

    category: int
    content: str
    contact: int | str | None = None
    images: list[str] = msgspec.field(default_factory=list)
    created_time: str | None = None


class ServiceApi:
    """§2.13, §2.15 and §11."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def timestamp(self) -> int:
        """§2.13: the cloud's time in Unix seconds."""
        return (await self._session.call_for_data("service.timestamp", _Timestamp)).timestamp

    async def send_feedback(
        self, category: int, content: str, *, contact: int | str | None = None, images: tuple[FeedbackImage, ...] = ()
    ) -> Feedback:
        """§2.13 feedback. Raises UncertainError."""
        params: dict[str, Any] = {"category": category, "content": content}
        if contact is not None:
            params["contact"] = contact
        if images:
            params["images"] = msgspec.to_builtins(images)
        return await self._session.call_for_object("service.send_feedback", Feedback, params=params)

    async def share(self, receiver: str, platform: str) -> str:
        """§2.15: send the phone `receiver` the address of the app for `platform` ("ios", "android").

        Raises UncertainError.
        """
        return await self._session.call_for_data(
            "service.share", str, params={"receiver": receiver, "platform": platform}
        )

    async def send_sms(self, record: Record) -> Record:
        """§11.1 SMS about the device of `record`. Raises RefusedByCloudError, UncertainError."""
        return await self._send_record("service.send_sms", record)

    async def send_push(self, record: Record) -> Record:
        """§11.1 PUSH about the device of `record`. Raises RefusedByCloudError, UncertainError."""
        return await self._send_record("service.send_push", record)

    async def _send_record(self, name: str, record: Record) -> Record:
        params = to_wire(record)
        params["type"] = params.pop("type_sub", record.type_sub)  # §11 has `type` for a gateway too
        return await self._session.call_decoded(name, decode_record, params=params)
