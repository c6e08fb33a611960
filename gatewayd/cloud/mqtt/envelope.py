"""The §4.2 envelope `{"msg": {"sn", …record}, "status", "desc"}`: read, written, and told whether it asks. Pure."""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category, Sn, Uuid
from gatewayd.model.record import Record
from gatewayd.model.record_wire import to_wire
from gatewayd.model.status import MqttStatus, OperationStatus, operation_status

MAX_PAYLOAD: Final = 64 * 1024
"""Bytes; a larger payload is not read."""

_MAX_SN: Final = 128  # characters
_MAX_ECHOED_SN: Final = 16 * 1024  # bytes of JSON

# What can be told of a payload that is no JSON, or broken off.
_SN_PAIR: Final = re.compile(
    rb'"sn"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.){0,16000}"|-?\d{1,18}(?:\.\d{1,18})?|true|false)\s*[,}]'
)
_STATUS_PAIR: Final = re.compile(rb'"status"\s*:\s*"?(\d{1,9})\b')
_DESC_PAIR: Final = re.compile(rb'"desc"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.){0,64}")')

_REQUEST_CODES: Final = frozenset(
    {MqttStatus.PUBLISHED.value[0], *(meaning.code for meaning in OperationStatus if meaning.is_request)}
)

_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """A payload, decoded as far as the envelope goes; `request_decoder` decodes `msg`."""

    msg: dict[str, Any]
    status: int | None = None
    desc: str = ""

    @property
    def sn(self) -> Sn | None:
        """The serial number that an answer repeats: text of 1 to 128 characters or a number; None for anything else."""
        return _valid_sn(self.msg.get("sn"))

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
        wire = msgspec.json.decode(payload, type=_EnvelopeWire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"payload: {error}") from error
    return Envelope(wire.msg, None if wire.status is UNSET else wire.status, wire.desc)


def find_sn(payload: bytes) -> msgspec.Raw | None:
    """The `sn` by which a request that could not be read, or not be handled, is answered: as it came, of any type.

    None where there is none (or null, or over 16 KiB), and where `status` and `desc` say that the message is an answer
    or a state. A payload that is no JSON is searched for the text of these keys.
    """
    try:
        found = msgspec.json.decode(payload, type=_LooseEnvelope)
        sn = msgspec.json.decode(found.msg, type=_SnOnly).sn if found.msg else None
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found, sn = _search(payload)
    return _echoed_sn(sn) if _may_be_request(found.status, found.desc) else None


def write_envelope(
    meaning: OperationStatus, record: Record | None, sn: Sn | msgspec.Raw | None = None, *, has_param: bool = True
) -> bytes:
    """Encode a payload: `record` as §12 shows it ({} for None), and `sn` where it answers a request.

    Without `has_param` it is the record's header alone.
    """
    msg = {} if record is None else to_wire(record)
    if not has_param:
        msg.pop("param", None)
    return _write(meaning, msg, sn)


def write_bare_envelope(
    meaning: OperationStatus, category: Category, uuid: Uuid, sn: Sn | msgspec.Raw | None = None
) -> bytes:
    """Encode a payload that says nothing of a device but which it is."""
    return _write(meaning, {"category": category, "uuid": uuid}, sn)


def _write(meaning: OperationStatus, msg: dict[str, Any], sn: Sn | msgspec.Raw | None) -> bytes:
    if sn is not None:
        msg["sn"] = sn
    return _encode({"msg": msg, "status": meaning.code, "desc": meaning.desc})


class _EnvelopeWire(msgspec.Struct):
    """`status` may be missing; a null is a wrong type, as a number in quotes is."""

    msg: dict[str, Any]
    status: int | UnsetType = UNSET
    desc: str = ""


class _LooseEnvelope(msgspec.Struct):
    """As much of a payload as an answer needs, of any type."""

    msg: msgspec.Raw = msgspec.Raw()
    status: Any = None
    desc: Any = None


class _SnOnly(msgspec.Struct):
    sn: msgspec.Raw = msgspec.Raw()


def _echoed_sn(sn: msgspec.Raw | None) -> msgspec.Raw | None:
    """The JSON of a `sn` where it can stand in an answer."""
    if not sn or len(text := bytes(sn)) > _MAX_ECHOED_SN or text == b"null":
        return None
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    return msgspec.Raw(text)


def _valid_sn(sn: object) -> Sn | None:
    if isinstance(sn, str) and 0 < len(sn) <= _MAX_SN:
        return sn
    return sn if isinstance(sn, int) and not isinstance(sn, bool) and sn.bit_length() < 64 else None


def _may_be_request(status: object, desc: object) -> bool:
    """Whether a message with this `status` (also in quotes) and `desc` asks for something, as far as can be told."""
    if isinstance(status, str) and status.isascii() and status.isdecimal() and len(status) <= 9:
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool):
        return True
    if not isinstance(desc, str):
        return status in _REQUEST_CODES
    return Envelope({}, status, desc).is_request


def _search(payload: bytes) -> tuple[_LooseEnvelope, msgspec.Raw | None]:
    """`status` and `desc`, and the JSON of the `sn`."""
    status, desc = _first(_STATUS_PAIR, payload), _first(_DESC_PAIR, payload)
    sn = None if _first(_SN_PAIR, payload) is None else _SN_PAIR.search(payload)
    return _LooseEnvelope(status=status, desc=desc), msgspec.Raw(sn[1]) if sn else None


def _first(pair: re.Pattern[bytes], payload: bytes) -> Any:
    """The value of the first such pair in a text; None where there is none that is JSON."""
    if (found := pair.search(payload)) is None:
        return None
    try:
        return msgspec.json.decode(found[1])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
