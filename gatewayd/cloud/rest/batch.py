"""§2.5: many calls as one, each with its own outcome."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from gatewayd.cloud.rest.caller import Caller, place
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.errors import RefusedByCloudError, UncertainError, refusal
from gatewayd.cloud.rest.messages import CloudMessage
from gatewayd.cloud.rest.records import said_of
from gatewayd.cloud.rest.rows import ApiRow, convert, params_of
from gatewayd.model.errors import CloudError
from gatewayd.model.record import Record
from gatewayd.model.rest_status import is_server_error, rest_status


class BatchPart(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a batch: the endpoint's name, what it is about (or the very fields), and an existing thing's id."""

    name: str
    about: ApiRow | Record | Mapping[str, Any] | None = None
    id: int | None = None

    @classmethod
    def create_record(cls, record: Record) -> Self:
        """§2.1, POST."""
        return cls(name="records.create", about=record)

    @classmethod
    def update_record(cls, id_: int, fields: Mapping[str, Any]) -> Self:
        """§2.1, PUT of some fields."""
        return cls(name="records.update", about=fields, id=id_)

    @classmethod
    def delete_record(cls, id_: int) -> Self:
        """§2.1, DELETE."""
        return cls(name="records.delete", id=id_)

    @classmethod
    def create_message(cls, message: CloudMessage) -> Self:
        """§2.9, POST."""
        return cls(name="messages.create", about=message)


class BatchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one part: `data` as the cloud has it now, or the error that the call alone would have raised."""

    part: BatchPart
    data: Any = None
    error: CloudError | None = None


class _Answered(msgspec.Struct):
    seq: str | int
    status_sub: int
    desc_sub: str | None = None
    data: Any = None
    err: Any = None


class BatchApi:
    """§2.5."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def send(self, parts: Sequence[BatchPart]) -> list[BatchOutcome]:
        """Send `parts` as one call; an outcome each, in the order of `parts`.

        A part that the answer does not speak of is uncertain. Raises UncertainError where no answer came,
        RefusedByCloudError where the cloud takes no batch.
        """
        wire = [self._wire(str(number), part) for number, part in enumerate(parts, 1)]
        said = await self._caller.read("batch.send", lambda msg, where: convert(msg, list[_Answered], where), data=wire)
        answers = {str(answer.seq): answer for answer in said}
        return [_outcome(part, answers.get(str(number))) for number, part in enumerate(parts, 1)]

    async def send_alone(self, part: BatchPart) -> BatchOutcome:
        """The same for one part, by its own endpoint."""
        endpoint = ENDPOINTS[part.name]
        body = _body(endpoint, part)
        try:
            msg = await self._caller.msg(part.name, id_=part.id, data=body or None)
        except CloudError as error:
            return BatchOutcome(part=part, error=error)
        return BatchOutcome(part=part, data=msg.get("data") if isinstance(msg, dict) else None)

    def _wire(self, seq: str, part: BatchPart) -> dict[str, Any]:
        endpoint = ENDPOINTS[part.name]
        return {
            "seq": seq,
            "method": endpoint.method,
            "url": self._caller.transport.url(endpoint, part.id),
            "body": _body(endpoint, part),
        }


def _body(endpoint: RestEndpoint, part: BatchPart) -> dict[str, Any]:
    match part.about:
        case Record():
            return said_of(part.about)
        case ApiRow():
            return params_of(endpoint, part.about)
        case None:
            return {}
        case fields:
            return dict(fields)


def _outcome(part: BatchPart, answer: _Answered | None) -> BatchOutcome:
    call = place(part.name)
    if answer is None:
        return BatchOutcome(part=part, error=UncertainError(f"{call}: the batch's answer does not speak of it"))
    endpoint = ENDPOINTS[part.name]
    if answer.status_sub in endpoint.success:
        return BatchOutcome(part=part, data=answer.data)
    desc = answer.desc_sub or ""
    if is_server_error(answer.status_sub):
        return BatchOutcome(part=part, error=UncertainError(f"{call}: {answer.status_sub} {desc}"))
    known = rest_status(endpoint.section, answer.status_sub) or rest_status("2.5", answer.status_sub)
    error: RefusedByCloudError = refusal(call, answer.status_sub, desc, known, str(answer.err or ""))
    return BatchOutcome(part=part, error=error)
