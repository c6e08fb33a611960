"""What names a device and a request: uuid, category and exectype (§4.2)."""

import re
from enum import StrEnum
from typing import Final, NewType

Uuid = NewType("Uuid", str)
"""A device's IEEE address as 16 lower-case hex digits, most significant byte first (§12.1: "00158d0000d04700")."""

_UUID: Final = re.compile(r"[0-9a-f]{16}")


class Category(StrEnum):
    """The kind of device that a record describes; the second level of a topic (§4.2)."""

    GATEWAY = "gw"
    LOCK = "lock"
    SWITCH = "switch"
    SOCKET = "socket"
    CURTAIN = "curtain"
    SENSOR = "sensor"
    PANEL = "panel"
    CAMERA = "camera"
    UNKNOWN = "unknown"


class ExecType(StrEnum):
    """The kind of a request; the last level of a topic (§4.2)."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    QUERY = "query"
    CONTROL = "control"
    SET = "set"


def is_uuid(text: str) -> bool:
    """True for 16 lower-case hex digits."""
    return _UUID.fullmatch(text) is not None
