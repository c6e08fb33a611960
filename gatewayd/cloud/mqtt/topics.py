"""MQTT topics (§4.2): `username/category/uuid/exectype`. Pure."""

from dataclasses import dataclass
from typing import Final

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category, ExecType, Uuid, is_topic_level, is_uuid

_MAX_QUOTED: Final = 200
"""Characters of a topic in an error: a topic may have 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's levels. The broker lets a user publish under his own name alone, so `user` is who asks."""

    user: str
    category: Category
    uuid: Uuid
    exectype: ExecType

    def __str__(self) -> str:
        return f"{self.user}/{self.category}/{self.uuid}/{self.exectype}"


_CATEGORIES: Final = frozenset(Category)
_EXECTYPES: Final = frozenset(ExecType)


def read_topic(text: str) -> Topic:
    """Parse a topic. Raises MalformedError with the level that is wrong."""
    levels = text.split("/")
    place = f"topic {text[:_MAX_QUOTED]!r}"
    if len(levels) != 4:
        raise MalformedError(f"{place}: {len(levels)} levels; username/category/uuid/exectype has 4")
    user, category, uuid, exectype = levels
    if not is_topic_level(user):
        raise MalformedError(f"{place}: no username")
    if not is_uuid(uuid):
        raise MalformedError(f"{place}: the uuid is not 16 lower-case hex digits")
    if category not in _CATEGORIES:
        raise MalformedError(f"{place}: no category of §4.2")
    if exectype not in _EXECTYPES:
        raise MalformedError(f"{place}: no exectype of §4.2")
    return Topic(user, Category(category), Uuid(uuid), ExecType(exectype))


def request_filters(user: str, category: Category, uuid: Uuid, *, wildcards: bool) -> tuple[str, ...]:
    """The topic filters of `user`'s requests to a device: one with a wildcard, or one for each kind of request."""
    if wildcards:
        return (f"{user}/{category}/{uuid}/+",)
    return tuple(str(Topic(user, category, uuid, exectype)) for exectype in ExecType)
