"""The JSON objects of the API as structs: decoded with errors that name the place, encoded without loss.

Records of devices (§2.1) are decoded by `records`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta, field

from gatewayd.cloud.rest.endpoints import RestEndpoint
from gatewayd.cloud.rest.errors import UnreadableAnswerError

Id = Annotated[int, Meta(ge=0, lt=1 << 53)]
"""The cloud's id of an object, within what a database column can hold."""


class ApiObject(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the API's objects. Keys without a field are kept in `extra`, with their values as they were received."""

    ALIASES: ClassVar[Mapping[str, str]] = {}
    """The API's other spelling of a key → the field's name."""
    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset()
    """Fields that no repr shows."""

    extra: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if name in self.SECRET_FIELDS else repr(value)}"
            for name in self.__struct_fields__
            if name != "extra" and (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


T = TypeVar("T")
ObjectT = TypeVar("ObjectT", bound=ApiObject)


def convert(value: Any, kind: type[T], place: str) -> T:
    """The JSON `value` as `kind`, numbers in quotes too (§2.2 answers `"perm": "7"`). Raises UnreadableAnswerError."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise UnreadableAnswerError(f"{place}: {error}") from error


def decode_object(value: Any, kind: type[ObjectT], place: str) -> ObjectT:
    """The JSON `value` as an object of `kind`; a null means the field's default. Raises UnreadableAnswerError."""
    if not isinstance(value, Mapping):
        raise UnreadableAnswerError(f"{place}: Expected `object`, got `{type(value).__name__}`")
    fields = {one.encode_name for one in msgspec.structs.fields(kind)} - {"extra"}
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, item in value.items():
        name = kind.ALIASES.get(key, key)
        if name not in fields:
            extra[key] = item
        elif item is not None:
            known[name] = item
    return convert(known | {"extra": extra}, kind, place)


def encode_object(object_: ApiObject) -> dict[str, Any]:
    """`object_` as JSON, its unknown keys included."""
    encoded: dict[str, Any] = msgspec.to_builtins(object_)
    extra: dict[str, Any] = encoded.pop("extra")
    return encoded | extra


def params_of(endpoint: RestEndpoint, object_: ApiObject) -> dict[str, Any]:
    """The parameters of `endpoint` that `object_` has a value for, and its unknown keys."""
    encoded: dict[str, Any] = msgspec.to_builtins(object_)
    extra: dict[str, Any] = encoded.pop("extra")
    return extra | {name: encoded[name] for name in endpoint.params_known if encoded.get(name) is not None}
