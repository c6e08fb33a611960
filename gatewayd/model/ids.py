"""What names a device and a request: user, uuid, category and exectype (§4.2)."""

import re
from enum import StrEnum
from typing import Final, NewType

Uuid = NewType("Uuid", str)
"""A device's IEEE address as 16 lower-case hex digits, most significant byte first (§12.1: "00158d0000d04700")."""

Sn = str | int
"""A request's serial number: text or a number, answered in the type in which it came."""

_UUID: Final = re.compile(r"[0-9a-f]{16}")

_MAX_LEVEL_BYTES: Final = 255
_NOT_IN_LEVEL: Final = re.compile(
    r"[/+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
"""What MQTT forbids in a level of a topic, and what brokers close the connection for (MQTT 5, 1.5.4)."""


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


def is_topic_level(text: str) -> bool:
    """True for a name that can be one level of a topic and of a topic filter: 1 to 255 bytes of UTF-8, without
    separators, wildcards, control characters and non-characters, and not beginning with "$" ($SYS, $share).
    """
    return (
        0 < len(text) <= _MAX_LEVEL_BYTES
        and not text.startswith("$")
        and _NOT_IN_LEVEL.search(text) is None
        and len(text.encode()) <= _MAX_LEVEL_BYTES
    )


def is_uuid(text: str) -> bool:
    """True for 16 lower-case hex digits."""
    return _UUID.fullmatch(text) is not None
