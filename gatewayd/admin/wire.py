"""What gatewayctl and the daemon say over the admin socket: one JSON object a line, call and reply in turn."""

from typing import Any, Final

import msgspec

MAX_LINE: Final = 1 << 20
"""Bytes of one line; the longest is a network backup on its way back."""


class AdminCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"method": "permit-join", "params": {"seconds": 60}}`."""

    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class AdminReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The method's result, or why there is none."""

    result: Any = None
    error: str | None = None


def encode(word: AdminCall | AdminReply) -> bytes:
    """`word` as a line with its end."""
    return msgspec.json.encode(word) + b"\n"
