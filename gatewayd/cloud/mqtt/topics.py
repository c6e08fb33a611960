"""MQTT topics (§4.2): `username/category/uuid/exectype`. Pure."""

from dataclasses import dataclass

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category, ExecType, Uuid, is_uuid


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's levels. The broker lets a user publish under his own name alone, so `user` is who asks."""

    user: str
    category: Category
    uuid: Uuid
    exectype: ExecType

    def __str__(self) -> str:
        return f"{self.user}/{self.category}/{self.uuid}/{self.exectype}"


def read_topic(text: str) -> Topic:
    """Parse a topic. Raises MalformedError with the level that is wrong."""
    levels = text.split("/")
    if len(levels) != 4:
        raise MalformedError(f"topic {text!r}: {len(levels)} levels; username/category/uuid/exectype has 4")
    user, category, uuid, exectype = levels
    if not user:
        raise MalformedError(f"topic {text!r}: no username")
    if not is_uuid(uuid):
        raise MalformedError(f"topic {text!r}: uuid {uuid!r} is not 16 lower-case hex digits")
    try:
        return Topic(user, Category(category), Uuid(uuid), ExecType(exectype))
    except ValueError as error:
        raise MalformedError(f"topic {text!r}: {error}") from error


def subscription(user: str, category: Category, uuid: Uuid) -> str:
    """The topic filter of `user`'s requests to a device."""
    return f"{user}/{category}/{uuid}/+"
