"""The Zigbee Cluster Library on the wire (ZCL revision 8): headers, data types, statuses, the general commands' ids.

Pure bytes; what a device answers is decided in `general` and by the kinds of devices.
"""

import struct
from dataclasses import dataclass

READ, READ_RESPONSE = 0x00, 0x01
WRITE, WRITE_UNDIVIDED, WRITE_RESPONSE, WRITE_NO_RESPONSE = 0x02, 0x03, 0x04, 0x05
CONFIGURE_REPORTING, CONFIGURE_REPORTING_RESPONSE = 0x06, 0x07
READ_REPORTING, READ_REPORTING_RESPONSE = 0x08, 0x09
REPORT, DEFAULT_RESPONSE = 0x0A, 0x0B
DISCOVER, DISCOVER_RESPONSE = 0x0C, 0x0D

SUCCESS = 0x00
FAILURE = 0x01
NOT_AUTHORIZED = 0x7E
MALFORMED = 0x80
UNSUPPORTED_CLUSTER_COMMAND = 0x81
UNSUPPORTED_GENERAL_COMMAND = 0x82
UNSUPPORTED_MANUFACTURER_COMMAND = 0x83
INVALID_FIELD = 0x85
UNSUPPORTED_ATTRIBUTE = 0x86
INVALID_VALUE = 0x87
READ_ONLY = 0x88
INSUFFICIENT_SPACE = 0x89
NOT_FOUND = 0x8B
UNREPORTABLE = 0x8C
INVALID_DATA_TYPE = 0x8D
UNSUPPORTED_CLUSTER = 0xC3

_CLUSTER_SPECIFIC = 0x01
_MANUFACTURER = 0x04
_FROM_SERVER = 0x08
_NO_DEFAULT_RESPONSE = 0x10

Value = int | str | bytes


class ShortDataError(ValueError):
    """A ZCL payload ended before its fields did."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A ZCL data type: its id, how it is packed, and whether a change of it is a difference of numbers."""

    id: int
    name: str
    size: int = 0
    analog: bool = False
    signed: bool = False

    def pack(self, value: Value) -> bytes:
        if isinstance(value, int):
            return value.to_bytes(self.size, "little", signed=self.signed)
        data = value.encode() if isinstance(value, str) else value
        return bytes((len(data),)) + data

    def unpack(self, data: bytes) -> tuple[Value, bytes]:
        """The value at the beginning of `data`, and the rest. Raises ShortDataError."""
        if self.size:
            if len(data) < self.size:
                raise ShortDataError(self.name)
            return int.from_bytes(data[: self.size], "little", signed=self.signed), data[self.size :]
        text, rest = octets(data)
        return (text.decode(errors="replace") if self.id == 0x42 else text), rest


BOOL = DataType(0x10, "bool", 1)
MAP8, MAP16, MAP32 = (DataType(0x17 + n, f"map{8 * n}", n) for n in (1, 2, 4))
U8, U16, U24, U32, _, U48 = (DataType(0x1F + n, f"uint{8 * n}", n, analog=True) for n in range(1, 7))
S8, S16, S24, S32 = (DataType(0x27 + n, f"int{8 * n}", n, analog=True, signed=True) for n in range(1, 5))
ENUM8, ENUM16 = (DataType(0x2F + n, f"enum{8 * n}", n) for n in (1, 2))
OCTETS, STRING = DataType(0x41, "octstr"), DataType(0x42, "string")
UTC = DataType(0xE2, "UTC", 4, analog=True)
IEEE = DataType(0xF0, "EUI64", 8)

TYPES = {
    kind.id: kind
    for kind in (
        BOOL, MAP8, MAP16, MAP32, U8, U16, U24, U32, U48, S8, S16, S24, S32,
        ENUM8, ENUM16, OCTETS, STRING, UTC, IEEE,
    )
}  # fmt: skip


def octets(data: bytes) -> tuple[bytes, bytes]:
    """An octet string (a length byte and its bytes) and the rest; 0xFF means none, which reads as empty."""
    if not data:
        raise ShortDataError("octet string")
    size = 0 if data[0] == 0xFF else data[0]
    if len(data) < 1 + size:
        raise ShortDataError("octet string")
    return data[1 : 1 + size], data[1 + size :]


def fields(layout: str, data: bytes) -> tuple[int, ...]:
    """Unpack little-endian integers as `struct` names them; what follows is left. Raises ShortDataError."""
    try:
        return struct.unpack_from("<" + layout, data)
    except struct.error as error:
        raise ShortDataError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Frame:
    sequence: int
    command: int
    payload: bytes
    cluster_specific: bool
    from_server: bool = False
    manufacturer: int | None = None
    no_default_response: bool = False

    @classmethod
    def parse(cls, data: bytes) -> "Frame | None":
        if len(data) < 3:
            return None
        control = data[0]
        manufacturer, at = None, 1
        if control & _MANUFACTURER:
            if len(data) < 5:
                return None
            manufacturer, at = data[1] | data[2] << 8, 3
        return cls(
            sequence=data[at],
            command=data[at + 1],
            payload=data[at + 2 :],
            cluster_specific=bool(control & 0x03 == _CLUSTER_SPECIFIC),
            from_server=bool(control & _FROM_SERVER),
            manufacturer=manufacturer,
            no_default_response=bool(control & _NO_DEFAULT_RESPONSE),
        )

    def answer(self, command: int, payload: bytes, *, general: bool) -> bytes:
        """A frame back to who sent this one, with its sequence number."""
        control = _NO_DEFAULT_RESPONSE
        control |= 0 if self.from_server else _FROM_SERVER
        control |= 0 if general else _CLUSTER_SPECIFIC
        vendor = b""
        if self.manufacturer is not None:
            control |= _MANUFACTURER
            vendor = self.manufacturer.to_bytes(2, "little")
        return bytes((control,)) + vendor + bytes((self.sequence, command)) + payload

    def default_response(self, status: int) -> bytes:
        return self.answer(DEFAULT_RESPONSE, bytes((self.command, status)), general=True)


def report(sequence: int, attribute: int, kind: DataType, value: Value) -> bytes:
    """A server's attribute report with one record, that asks for no default response."""
    head = bytes((_FROM_SERVER | _NO_DEFAULT_RESPONSE, sequence, REPORT, attribute & 0xFF, attribute >> 8, kind.id))
    return head + kind.pack(value)


def notification(sequence: int, command: int, payload: bytes) -> bytes:
    """A cluster's own command that a server sends unasked, such as a lock's event."""
    control = _CLUSTER_SPECIFIC | _FROM_SERVER | _NO_DEFAULT_RESPONSE
    return bytes((control, sequence, command)) + payload
