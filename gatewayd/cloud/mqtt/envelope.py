"""The §4.2 envelope, `{"msg": {"sn", …record}, "status", "desc"}`: what is in it, and whose it is. Pure."""

from typing import Any, Final

import msgspec

from gatewayd.model.errors import MalformedError
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire
from gatewayd.model.status import MqttStatus, OperationStatus, operation_status

MAX_PAYLOAD: Final = 64 * 1024
"""Bytes; more is not read."""

_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """What arrives. `msg` is read by the request that it makes."""

    msg: dict[str, Any]
    status: int | None = None
    desc: str = ""

    @property
    def sn(self) -> str | None:
        """The serial number that the answer repeats; a number counts as its digits."""
        sn = self.msg.get("sn")
        if isinstance(sn, str) and 0 < len(sn) <= 128:
            return sn
        return str(sn) if isinstance(sn, int) and not isinstance(sn, bool) else None

    @property
    def is_request(self) -> bool:
        """True for what asks: one of the API's 请求… statuses, §4.2's own 200401, or none at all.

        Everything else is said by gateways: it is this one's own answer or state, or another's, and never a request.
        """
        if self.status is None or self.status == MqttStatus.PUBLISHED.value[0]:
            return True
        return self.meaning is not None and self.meaning.is_request

    @property
    def meaning(self) -> OperationStatus | None:
        """What it says; None for what the API does not know."""
        return None if self.status is None else operation_status(self.status, self.desc)


def read_envelope(payload: bytes) -> Envelope:
    """Raises MalformedError: too large, not UTF-8, not JSON, not the right types; with the place."""
    if len(payload) > MAX_PAYLOAD:
        raise MalformedError(f"payload: {len(payload)} bytes; at most {MAX_PAYLOAD} are read")
    try:
        return msgspec.json.decode(payload, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"payload: {error}") from error


def write_envelope(meaning: OperationStatus, record: Record | None, sn: str | None = None) -> bytes:
    """A message: `record` as §12 shows it, with the request's `sn` where it answers one."""
    msg = {} if record is None else to_wire(record)
    if sn is not None:
        msg["sn"] = sn
    return _encode({"msg": msg, "status": meaning.code, "desc": meaning.desc})
