"""§2.1 general data: the records of the account's devices."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from gatewayd.cloud.rest.api_session import ApiSession, data_of
from gatewayd.cloud.rest.errors import UnreadableAnswerError
from gatewayd.model.errors import MalformedError
from gatewayd.model.record import Record
from gatewayd.model.record_wire import from_wire, to_wire

# Keys that the cloud sets and that no POST or PUT has.
_SET_BY_CLOUD: Final = frozenset({"id", "user_id", "create_time", "update_time", "perm", "authorization_id"})


class RecordsApi:
    """§2.1. `create` and `update` return the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def list(
        self,
        *,
        ver: str | None = None,
        type_sub: str | None = None,
        category: str | None = None,
        uuid: str | None = None,
        icon: str | None = None,
        title: str | None = None,
    ) -> AsyncIterator[Record]:
        """Every record that the account may see and the filters match."""
        filters = {"ver": ver, "type_sub": type_sub, "category": category, "uuid": uuid, "icon": icon, "title": title}
        async for place, value in self._session.list_json("records.list", **filters):
            yield decode_record(value, place)

    def list_json(self, **filters: str) -> AsyncIterator[tuple[str, Any]]:
        """The same, each as (place, JSON): a key that is missing there differs from a null."""
        return self._session.list_json("records.list", **filters)

    async def get_json(self, id_: int) -> tuple[str, Any]:
        """One record as (place, JSON). Raises NotFoundError, ForbiddenError."""
        return await self._session.call_decoded(
            "records.get", lambda msg, place: (f"{place}.data", data_of(msg, place)), id_=id_
        )

    async def get(self, id_: int) -> Record:
        """The record with that id. Raises NotFoundError, ForbiddenError."""
        return await self._call_for_record("records.get", id_=id_)

    async def create(self, record: Record) -> Record:
        """Create `record`. Raises AlreadyExistsError, UncertainError."""
        return await self._call_for_record("records.create", data=record_params(record))

    async def update(self, record: Record) -> Record:
        """Update the record with the id of `record`. Raises NotFoundError, ForbiddenError."""
        return await self._call_for_record("records.update", id_=record.id, data=record_params(record))

    async def delete(self, id_: int) -> None:
        """Delete the record with that id. Raises NotFoundError, ForbiddenError."""
        await self._session.call("records.delete", id_=id_)

    async def _call_for_record(self, name: str, **call: Any) -> Record:
        return await self._session.call_decoded(name, _decode_data, **call)


def record_params(record: Record) -> dict[str, Any]:
    """The fields of `record` that a POST or PUT sends, with `type_sub` for every category, as in §2.1's examples."""
    params = {name: value for name, value in to_wire(record).items() if name not in _SET_BY_CLOUD}
    params["type_sub"] = params.pop("type", record.type_sub)
    return params


def decode_record(value: Any, place: str) -> Record:
    """The JSON `value` as a record. Raises UnreadableAnswerError with the place."""
    if not isinstance(value, Mapping):
        raise UnreadableAnswerError(f"{place}: Expected `object`, got `{type(value).__name__}`")
    try:
        return from_wire(value)
    except MalformedError as error:
        raise UnreadableAnswerError(f"{place}: {error}") from error


def _decode_data(msg: Any, place: str) -> Record:
    record = decode_record(data_of(msg, place), f"{place}.data")
    if record.id is None:
        raise UnreadableAnswerError(f"{place}.data.id is missing")
    return record
