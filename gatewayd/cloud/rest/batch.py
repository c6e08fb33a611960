"""§2.5 patch interface: many calls in one request, each with its own outcome."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from gatewayd.cloud.rest.api_session import ApiSession, call_name
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.errors import UncertainError, refusal
from gatewayd.cloud.rest.messages import CloudMessage
from gatewayd.cloud.rest.objects import ApiObject, convert, params_of
from gatewayd.cloud.rest.records import record_params
from gatewayd.model.errors import CloudError
from gatewayd.model.record import Record
from gatewayd.model.rest_status import is_server_error, rest_status


class RestCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a batch: the endpoint's `name`, its `body` (an object, or the fields themselves), and the `id` of an
    existing object.
    """

    name: str
    body: ApiObject | Record | Mapping[str, Any] | None = None
    id: int | None = None

    @classmethod
    def create_record(cls, record: Record) -> Self:
        """§2.1, POST."""
        return cls(name="records.create", body=record)

    @classmethod
    def update_record(cls, id_: int, fields: Mapping[str, Any]) -> Self:
        """§2.1, PUT of some fields."""
        return cls(name="records.update", body=fields, id=id_)

    @classmethod
    def delete_record(cls, id_: int) -> Self:
        """§2.1, DELETE."""
        return cls(name="records.delete", id=id_)

    @classmethod
    def create_message(cls, message: CloudMessage) -> Self:
        """§2.9, POST."""
        return cls(name="messages.create", body=message)


class BatchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one part: `data` of a success, or the error that the same call by itself would have raised."""

    part: RestCall
    data: Any = None
    error: CloudError | None = None


class _PartAnswer(msgspec.Struct):
    seq: str | int
    status_sub: int
    desc_sub: str | None = None
    data: Any = None
    err: Any = None


class BatchApi:
    """§2.5."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def send(self, parts: Sequence[RestCall]) -> list[BatchOutcome]:
        """Send `parts` as one request; returns one outcome per part, in the order of `parts`.

        The outcome of a part that is missing in the answer is UncertainError. Raises UncertainError where no answer
        came, RefusedByCloudError where the cloud refuses the batch as such.
        """
        data = [self._encode(str(seq), part) for seq, part in enumerate(parts, 1)]
        answers = await self._session.call_decoded(
            "batch.send", lambda msg, place: convert(msg, list[_PartAnswer], place), data=data
        )
        by_seq = {str(answer.seq): answer for answer in answers}
        return [_outcome(part, by_seq.get(str(seq))) for seq, part in enumerate(parts, 1)]

    async def send_one(self, part: RestCall) -> BatchOutcome:
        """Send one part as a call by itself."""
        body = _body(ENDPOINTS[part.name], part)
        try:
            msg = await self._session.call(part.name, id_=part.id, data=body or None)
        except CloudError as error:
            return BatchOutcome(part=part, error=error)
        return BatchOutcome(part=part, data=msg.get("data") if isinstance(msg, dict) else None)

    def _encode(self, seq: str, part: RestCall) -> dict[str, Any]:
        endpoint = ENDPOINTS[part.name]
        return {
            "seq": seq,
            "method": endpoint.method,
            "url": self._session.transport.url(endpoint, part.id),
            "body": _body(endpoint, part),
        }


def _body(endpoint: RestEndpoint, part: RestCall) -> dict[str, Any]:
    match part.body:
        case Record():
            return record_params(part.body)
        case ApiObject():
            return params_of(endpoint, part.body)
        case None:
            return {}
        case fields:
            return dict(fields)


def _outcome(part: RestCall, answer: _PartAnswer | None) -> BatchOutcome:
    call, endpoint = call_name(part.name), ENDPOINTS[part.name]
    if answer is None:
        return BatchOutcome(part=part, error=UncertainError(f"{call}: it is missing in the batch's answer"))
    if answer.status_sub in endpoint.success:
        return BatchOutcome(part=part, data=answer.data)
    desc = answer.desc_sub or ""
    if is_server_error(answer.status_sub):
        return BatchOutcome(part=part, error=UncertainError(f"{call}: {answer.status_sub} {desc}"))
    documented = rest_status(endpoint.section, answer.status_sub) or rest_status("2.5", answer.status_sub)
    error = refusal(call, answer.status_sub, desc, documented, str(answer.err or ""))
    return BatchOutcome(part=part, error=error)
