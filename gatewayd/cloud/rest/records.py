"""§2.1: the records of the user's devices."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from gatewayd.cloud.rest.caller import Caller, data_of
from gatewayd.cloud.rest.errors import UnreadableAnswerError
from gatewayd.model.errors import MalformedError
from gatewayd.model.record import Record
from gatewayd.model.record_wire import from_wire, to_wire

# Keys that the cloud gives itself, and that no POST or PUT says.
_CLOUDS_OWN: Final = frozenset({"id", "user_id", "create_time", "update_time", "perm", "authorization_id"})


class RecordsApi:
    """§2.1, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

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
        """Every record that the user may see and the filters let through."""
        filters = {"ver": ver, "type_sub": type_sub, "category": category, "uuid": uuid, "icon": icon, "title": title}
        async for where, wire in self._caller.pages("records.list", **filters):
            yield read_record(wire, where)

    def wires(self, **filters: str) -> AsyncIterator[tuple[str, Any]]:
        """The same as they came, each with its place: what the cloud did not say is told apart from a null."""
        return self._caller.pages("records.list", **filters)

    async def wire(self, id_: int) -> tuple[str, Any]:
        """One record as it came, with its place. Raises NotThereError, ForbiddenError."""
        return await self._caller.read(
            "records.get", lambda msg, where: (f"{where}.data", data_of(msg, where)), id_=id_
        )

    async def get(self, id_: int) -> Record:
        """Raises NotThereError, ForbiddenError."""
        return await self._read("records.get", id_=id_)

    async def create(self, record: Record) -> Record:
        """A new record as the cloud has it now, with its id. Raises AlreadyThereError, UncertainError."""
        return await self._read("records.create", data=said_of(record))

    async def update(self, record: Record) -> Record:
        """Change the record of that id. Raises NotThereError, ForbiddenError."""
        return await self._read("records.update", id_=record.id, data=said_of(record))

    async def delete(self, id_: int) -> None:
        """Raises NotThereError, ForbiddenError."""
        await self._caller.msg("records.delete", id_=id_)

    async def _read(self, name: str, **call: Any) -> Record:
        return await self._caller.read(name, _read_data, **call)


def said_of(record: Record) -> dict[str, Any]:
    """What a POST or PUT says of a record: not what is the cloud's own; `type_sub`, as §2.1's examples have it."""
    wire = {name: value for name, value in to_wire(record).items() if name not in _CLOUDS_OWN}
    wire["type_sub"] = wire.pop("type", record.type_sub)
    return wire


def _read_data(msg: Any, where: str) -> Record:
    record = read_record(data_of(msg, where), f"{where}.data")
    if record.id is None:
        raise UnreadableAnswerError(f"{where}.data.id is missing")
    return record


def read_record(wire: Any, where: str) -> Record:
    """The record that a JSON object is. Raises UnreadableAnswerError with the place."""
    if not isinstance(wire, Mapping):
        raise UnreadableAnswerError(f"{where}: Expected `object`, got `{type(wire).__name__}`")
    try:
        return from_wire(wire)
    except MalformedError as error:
        raise UnreadableAnswerError(f"{where}: {error}") from error
