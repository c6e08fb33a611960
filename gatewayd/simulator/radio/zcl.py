"""The Zigbee Cluster Library on the wire (ZCL revision 8): frame headers, data types, statuses, general commands.

Bytes only; what a device answers is `general`'s and the devices'.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum


class GeneralCommand(IntEnum):
    """ZCL §2.5: the commands that every cluster has."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING_CONFIGURATION = 0x08
    READ_REPORTING_CONFIGURATION_RESPONSE = 0x09
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D


class ZclStatus(IntEnum):
    """ZCL §2.6.3."""

    SUCCESS = 0x00
    FAILURE = 0x01
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    UNSUP_GENERAL_COMMAND = 0x82
    UNSUP_MANUF_CLUSTER_COMMAND = 0x83
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    UNSUPPORTED_CLUSTER = 0xC3


_FRAME_TYPE_MASK, _CLUSTER_SPECIFIC = 0x03, 0x01
_MANUFACTURER = 0x04
_FROM_SERVER = 0x08
_NO_DEFAULT_RESPONSE = 0x10

Value = int | str | bytes
"""An attribute's value."""

_STRING_ID = 0x42
_NO_STRING = 0xFF
"""The length byte of a string that has no value."""


class ShortDataError(ValueError):
    """A ZCL payload ended before its fields did."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A ZCL data type. `size` in bytes, 0 for strings; `analog`: reporting compares it with a reportable change."""

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
        return (text.decode(errors="replace") if self.id == _STRING_ID else text), rest


BOOL = DataType(0x10, "bool", 1)
MAP8, MAP16, MAP32 = (DataType(0x17 + n, f"map{8 * n}", n) for n in (1, 2, 4))
UINT8, UINT16, UINT24, UINT32, _, UINT48 = (DataType(0x1F + n, f"uint{8 * n}", n, analog=True) for n in range(1, 7))
INT8, INT16, INT24, INT32 = (DataType(0x27 + n, f"int{8 * n}", n, analog=True, signed=True) for n in range(1, 5))
ENUM8, ENUM16 = (DataType(0x2F + n, f"enum{8 * n}", n) for n in (1, 2))
OCTSTR, STRING = DataType(0x41, "octstr"), DataType(_STRING_ID, "string")
UTC = DataType(0xE2, "UTC", 4, analog=True)
EUI64 = DataType(0xF0, "EUI64", 8)

TYPES = {
    type_.id: type_
    for type_ in (
        BOOL, MAP8, MAP16, MAP32, UINT8, UINT16, UINT24, UINT32, UINT48, INT8, INT16, INT24, INT32,
        ENUM8, ENUM16, OCTSTR, STRING, UTC, EUI64,
    )
}  # fmt: skip


def octets(data: bytes) -> tuple[bytes, bytes]:
    """An octet string (a length byte and its bytes) and the rest; one without a value is read as empty.

    Raises ShortDataError.
    """
    if not data:
        raise ShortDataError("octet string")
    size = 0 if data[0] == _NO_STRING else data[0]
    if len(data) < 1 + size:
        raise ShortDataError("octet string")
    return data[1 : 1 + size], data[1 + size :]


def fields(layout: str, data: bytes) -> tuple[int, ...]:
    """Unpack little-endian integers as `struct` names them; bytes after them are ignored. Raises ShortDataError."""
    try:
        return struct.unpack_from("<" + layout, data)
    except struct.error as error:
        raise ShortDataError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Frame:
    """A ZCL frame; `manufacturer` is the code of a manufacturer-specific one."""

    sequence: int
    command: int
    payload: bytes
    cluster_specific: bool
    from_server: bool = False
    manufacturer: int | None = None
    no_default_response: bool = False

    @classmethod
    def parse(cls, data: bytes) -> "Frame | None":
        """The frame; None where the data is too short for a header."""
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
            cluster_specific=bool(control & _FRAME_TYPE_MASK == _CLUSTER_SPECIFIC),
            from_server=bool(control & _FROM_SERVER),
            manufacturer=manufacturer,
            no_default_response=bool(control & _NO_DEFAULT_RESPONSE),
        )

    def answer(self, command: int, payload: bytes, *, general: bool) -> bytes:
        """A response to this frame, with its sequence number."""
        control = _NO_DEFAULT_RESPONSE
        control |= 0 if self.from_server else _FROM_SERVER
        control |= 0 if general else _CLUSTER_SPECIFIC
        code = b""
        if self.manufacturer is not None:
            control |= _MANUFACTURER
            code = self.manufacturer.to_bytes(2, "little")
        return bytes((control,)) + code + bytes((self.sequence, command)) + payload

    def default_response(self, status: int) -> bytes:
        return self.answer(GeneralCommand.DEFAULT_RESPONSE, bytes((self.command, status)), general=True)


def report(sequence: int, attribute: int, type_: DataType, value: Value) -> bytes:
    """Report Attributes from a server with one attribute, which asks for no default response."""
    control, command = _FROM_SERVER | _NO_DEFAULT_RESPONSE, GeneralCommand.REPORT_ATTRIBUTES
    return struct.pack("<BBBHB", control, sequence, command, attribute, type_.id) + type_.pack(value)


def server_command(sequence: int, command: int, payload: bytes) -> bytes:
    """A cluster's command that a server sends by itself, such as a lock's event; it asks for no default response."""
    control = _CLUSTER_SPECIFIC | _FROM_SERVER | _NO_DEFAULT_RESPONSE
    return bytes((control, sequence, command)) + payload
