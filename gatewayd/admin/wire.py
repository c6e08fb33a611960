"""The format of the admin socket: one JSON object a line, a call and its reply in turn."""

from typing import Any, Final

import msgspec

MAX_LINE: Final = 1 << 20
"""Bytes of one line; the longest is a network backup on its way back."""


class AdminCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"method": "permit-join", "params": {"seconds": 60}}`."""

    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class AdminReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The method's result, or the reason why there is none."""

    result: Any = None
    error: str | None = None


def encode(message: AdminCall | AdminReply) -> bytes:
    """`message` as a line, with its line feed."""
    return msgspec.json.encode(message) + b"\n"
