"""The §4.2 envelope `{"msg": {"sn", …record}, "status", "desc"}`: read, written, and told whether it asks. Pure."""

from typing import Any, Final

import msgspec

from gatewayd.model.errors import MalformedError
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire
from gatewayd.model.status import MqttStatus, OperationStatus, operation_status

MAX_PAYLOAD: Final = 64 * 1024
"""Bytes; a larger payload is not read."""

_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """A payload, decoded as far as the envelope goes; `request_decoder` decodes `msg`."""

    msg: dict[str, Any]
    status: int | None = None
    desc: str = ""

    @property
    def sn(self) -> str | None:
        """The serial number that an answer repeats, as text; None where there is none of 1 to 128 characters."""
        sn = self.msg.get("sn")
        if isinstance(sn, str) and 0 < len(sn) <= 128:
            return sn
        return str(sn) if isinstance(sn, int) and not isinstance(sn, bool) else None

    @property
    def is_request(self) -> bool:
        """True for a request: one of the API's 请求… statuses, §4.2's own 200401, or no status at all.

        Every other status is published by gateways: an answer or a state, this gateway's own or another's.
        """
        if self.status is None or self.status == MqttStatus.PUBLISHED.value[0]:
            return True
        return self.meaning is not None and self.meaning.is_request

    @property
    def meaning(self) -> OperationStatus | None:
        """The §9 status; None where there is none or the API has no such row."""
        return None if self.status is None else operation_status(self.status, self.desc)


def read_envelope(payload: bytes) -> Envelope:
    """Decode a payload. Raises MalformedError with the place: too large, not UTF-8, not JSON, wrong types."""
    if len(payload) > MAX_PAYLOAD:
        raise MalformedError(f"payload: {len(payload)} bytes; at most {MAX_PAYLOAD} are read")
    try:
        return msgspec.json.decode(payload, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"payload: {error}") from error


def write_envelope(meaning: OperationStatus, record: Record | None, sn: str | None = None) -> bytes:
    """Encode a payload: `record` as §12 shows it ({} for None), and `sn` where it answers a request."""
    msg = {} if record is None else to_wire(record)
    if sn is not None:
        msg["sn"] = sn
    return _encode({"msg": msg, "status": meaning.code, "desc": meaning.desc})
