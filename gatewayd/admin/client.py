"""Calls methods of a running daemon over its admin socket."""

import socket
from pathlib import Path
from typing import Any

import msgspec

from gatewayd.admin.wire import AdminCall, AdminReply, encode
from gatewayd.model.errors import GatewayError


def call(path: Path, method: str, timeout_s: float = 30, **params: Any) -> Any:
    """The result of `method`, called on the daemon that listens at `path`.

    Raises GatewayError: no daemon there, no permission, no answer in time, or the daemon's own refusal.
    """
    request = encode(AdminCall(method, msgspec.Raw(msgspec.json.encode(params))))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(request)
            answer = connection.makefile("rb").readline()
    except PermissionError as error:
        raise GatewayError(f"{path}: permission denied; be root or in the socket's group") from error
    except TimeoutError as error:
        raise GatewayError(f"{path}: no answer within {timeout_s:.0f} s") from error
    except OSError as error:
        raise GatewayError(f"{path}: no gatewayd listens there ({error.strerror or error})") from error
    if not answer:
        raise GatewayError(f"{path}: the daemon closed the connection without an answer")
    reply = msgspec.json.decode(answer, type=AdminReply)
    if reply.error is not None:
        raise GatewayError(reply.error)
    return reply.result
