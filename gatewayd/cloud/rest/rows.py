"""What the cloud's answers hold, as structs, and back: unknown keys are kept and given back, both spellings read."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta, field

from gatewayd.cloud.rest.endpoints import RestEndpoint
from gatewayd.cloud.rest.errors import UnreadableAnswerError

Id = Annotated[int, Meta(ge=0, lt=1 << 53)]
"""What the cloud knows a thing by; nothing that a database could not keep."""


class ApiRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the cloud keeps. What has no field here stands in `extra` as it came (JSON values)."""

    ALSO: ClassVar[Mapping[str, str]] = {}
    """The API's other spellings: as it came → as it is called here."""
    SECRET: ClassVar[frozenset[str]] = frozenset()
    """Fields that no repr shows."""

    extra: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if name in self.SECRET else repr(value)}"
            for name in self.__struct_fields__
            if name != "extra" and (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


R = TypeVar("R", bound=ApiRow)
T = TypeVar("T")


def convert(wire: Any, kind: type[T], place: str) -> T:
    """`wire` as `kind`, numbers in quotes too (§2.2 answers `"perm": "7"`). Raises UnreadableAnswerError."""
    try:
        return msgspec.convert(wire, kind, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise UnreadableAnswerError(f"{place}: {error}") from error


def read_row(wire: Any, kind: type[R], place: str) -> R:
    """The row that a JSON object is; a null stands for a field's default. Raises UnreadableAnswerError."""
    if not isinstance(wire, Mapping):
        raise UnreadableAnswerError(f"{place}: Expected `object`, got `{type(wire).__name__}`")
    fields = {one.encode_name for one in msgspec.structs.fields(kind)} - {"extra"}
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in wire.items():
        name = kind.ALSO.get(key, key)
        if name not in fields:
            extra[key] = value
        elif value is not None:
            known[name] = value
    return convert(known | {"extra": extra}, kind, place)


def write_row(row: ApiRow) -> dict[str, Any]:
    """The JSON object that a row is, to the key that nobody knew."""
    wire: dict[str, Any] = msgspec.to_builtins(row)
    extra: dict[str, Any] = wire.pop("extra")
    return wire | extra


def params_of(endpoint: RestEndpoint, row: ApiRow) -> dict[str, Any]:
    """What a call says of `row`: the parameters that the endpoint has, as far as they are set, and the unknown keys."""
    wire: dict[str, Any] = msgspec.to_builtins(row)
    extra: dict[str, Any] = wire.pop("extra")
    return extra | {name: wire[name] for name in endpoint.known if wire.get(name) is not None}
