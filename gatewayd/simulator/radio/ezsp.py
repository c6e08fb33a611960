"""EZSP 13 on the wire (Silicon Labs UG100): the tables of commands and callbacks, and how frames are packed.

What a command does is `Ncp`'s: each row's name is the name of its method there.

A row's layouts are written as for `struct`, little-endian, with one more letter allowed at the end: `v` bytes after a
one-byte length, `w` bytes after a four-byte length, `r` all remaining bytes.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

PROTOCOL_VERSION = 13
STACK_TYPE_MESH = 2
STACK_VERSION = 0x7450
"""EmberZNet 7.4.5: the newest that speaks EZSP 13."""

_RESPONSE = 0x80
_CALLBACK = 0x90
_EXTENDED = 0x01
"""The second byte of the frame control: the frame format since EZSP 8."""


class EmberStatus(IntEnum):
    SUCCESS = 0x00
    ERR_FATAL = 0x01
    NOT_FOUND = 0x03
    DELIVERY_FAILED = 0x66
    INVALID_CALL = 0x70
    MAX_MESSAGE_LIMIT_REACHED = 0x72
    NETWORK_UP = 0x90
    NETWORK_DOWN = 0x91
    NOT_JOINED = 0x93
    NETWORK_BUSY = 0xA1
    INDEX_OUT_OF_RANGE = 0xB1


class EzspStatus(IntEnum):
    SUCCESS = 0x00
    ERROR_INVALID_FRAME_ID = 0x31
    ERROR_TRUNCATED = 0x33
    ERROR_INVALID_ID = 0x37


class SlStatus(IntEnum):
    OK = 0x0000
    NOT_FOUND = 0x001D


class IncomingMessageType(IntEnum):
    UNICAST = 0x00
    BROADCAST = 0x04


class EmberDeviceUpdate(IntEnum):
    """What a device did, as the trust center reports it."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2


class EmberJoinDecision(IntEnum):
    """What the trust center answered a device that joined."""

    USE_PRECONFIGURED_KEY = 0
    NO_ACTION = 3


class EmberNodeType(IntEnum):
    COORDINATOR = 1
    ROUTER = 2
    SLEEPY_END_DEVICE = 4


class EmberNetworkStatus(IntEnum):
    NO_NETWORK = 0
    JOINED_NETWORK = 2


class EzspConfigId(IntEnum):
    """The settings that the coordinator has a default of."""

    ADDRESS_TABLE_SIZE = 0x05
    MULTICAST_TABLE_SIZE = 0x06
    SECURITY_LEVEL = 0x0D
    KEY_TABLE_SIZE = 0x1E


class EzspValueId(IntEnum):
    """The values that the coordinator knows."""

    FREE_BUFFERS = 0x03
    VERSION_INFO = 0x11
    NWK_FRAME_COUNTER = 0x23


class EzspMfgTokenId(IntEnum):
    """The manufacturing tokens that the coordinator knows."""

    STRING = 0x01
    BOARD_NAME = 0x02
    CUSTOM_EUI_64 = 0x0C


class SecurityManagerKeyType(IntEnum):
    """sl_zb_sec_man_key_type_t: the keys that the coordinator exports."""

    NETWORK = 1
    TRUST_CENTER_LINK = 2


ENERGY_SCAN = 0
NULL_NODE_ID = 0xFFFF
NULL_INDEX = 0xFF


Field = int | bytes


class Layout:
    """A frame's fields: packs a tuple of them, and unpacks bytes into one."""

    __slots__ = ("_fixed", "_tail")

    def __init__(self, text: str) -> None:
        self._tail = text[-1:] if text[-1:] in {"v", "w", "r"} else ""
        self._fixed = struct.Struct("<" + text.removesuffix(self._tail))

    def pack(self, fields: tuple[Field, ...]) -> bytes:
        if not self._tail:
            return self._fixed.pack(*fields)
        *fixed, tail = fields
        assert isinstance(tail, bytes)
        size = {"v": bytes((len(tail) & 0xFF,)), "w": struct.pack("<I", len(tail)), "r": b""}[self._tail]
        return self._fixed.pack(*fixed) + size + tail

    def unpack(self, data: bytes) -> tuple[Field, ...]:
        """Raises `struct.error` where the data is too short. Bytes after the last field are ignored."""
        fixed: tuple[Field, ...] = self._fixed.unpack_from(data)
        rest = data[self._fixed.size :]
        if not self._tail:
            return fixed
        if self._tail == "r":
            return (*fixed, rest)
        prefix = 1 if self._tail == "v" else 4
        size = int.from_bytes(rest[:prefix], "little")
        if len(rest) < prefix + size:
            raise struct.error(f"{size} bytes announced, {len(rest) - prefix} there")
        return (*fixed, rest[prefix : prefix + size])


@dataclass(frozen=True, slots=True)
class EzspCommand:
    """A command's frame id, and the layouts of its parameters and of its response's."""

    id: int
    name: str
    parameters: Layout
    response: Layout


@dataclass(frozen=True, slots=True)
class EzspCallback:
    """A frame that the coordinator sends without being asked."""

    id: int
    parameters: Layout = field(repr=False)

    def frame(self, sequence: int, *fields: Field) -> bytes:
        return struct.pack("<BBBH", sequence, _CALLBACK, _EXTENDED, self.id) + self.parameters.pack(fields)


_VERSION = 0x0000
_APS = "HHBBHHB"
_ROWS = """
    0x0000 version                         B            BBH
    0x0002 add_endpoint                    BHHBBBr      B
    0x0005 nop                             -            -
    0x000B get_mfg_token                   B            v
    0x0010 set_concentrator                BHHHBBB      B
    0x0015 set_manufacturer_code           H            -
    0x0017 network_init                    H            B
    0x0018 network_state                   -            B
    0x001A start_scan                      BIB          B
    0x001E form_network                    8sHBBBHBI    B
    0x0020 leave_network                   -            B
    0x0022 permit_joining                  B            B
    0x0026 get_eui64                       -            8s
    0x0027 get_node_id                     -            H
    0x0028 get_network_parameters          -            BB8sHBBBHBI
    0x0003 get_extended_value              BI           Bv
    0x0034 send_unicast                    BHHHBBHHBBv  BB
    0x0036 send_broadcast                  HHHBBHHBBBv  BB
    0x0037 proxy_broadcast                 HHBHHBBHHBBBv BB
    0x0038 send_multicast                  HHBBHHBBBBv  BB
    0x0039 send_reply                      HHHBBHHBv    B
    0x004A get_child_data                  B            B8sBHBBBI
    0x0052 get_configuration_value         B            BH
    0x0053 set_configuration_value         BH           B
    0x0055 set_policy                      Br          B
    0x0056 get_policy                      B           Br
    0x005A set_source_route_discovery_mode B            I
    0x005E get_address_table_eui64         B            8s
    0x005F get_address_table_node_id       B            H
    0x0060 lookup_node_id                  8s           H
    0x0061 lookup_eui64                    H            B8s
    0x0063 get_multicast_table_entry       B            BHBB
    0x0064 set_multicast_table_entry       BHBr         B
    0x0065 read_and_clear_counters         -            r
    0x0068 set_initial_security_state      H16s16sB8s   B
    0x0069 get_current_security_state      -            BH8s
    0x006B clear_transient_link_keys       -            -
    0x0075 find_key_table_entry            8sB          B
    0x0076 erase_key_table_entry           B            B
    0x0077 token_factory_reset             BB           -
    0x007E set_extended_timeout            8sB          -
    0x007F get_extended_timeout            8s           B
    0x0081 echo                            v            v
    0x0082 replace_address_table_entry     B8sHB        B8sHB
    0x0095 set_radio_cca_mode              B            B
    0x0099 set_radio_power                 b            B
    0x00A8 remove_device                   H8s8s        B
    0x00AA get_value                       B            Bv
    0x00AB set_value                       Bv           B
    0x00AC set_child_data                  B8sBHr       B
    0x00B1 clear_key_table                 -            B
    0x00E2 gp_sink_table_clear             -            -
    0x00F1 read_counters                   -            r
    0x0102 get_token_data                  II           Br
    0x0103 set_token_data                  IIw          B
    0x010E import_link_key                 B8s16s       I
    0x010F export_link_key                 B            8s16sHIIHI
    0x0111 import_transient_key            8s16sB       I
    0x0114 export_key                      Br           16sI
    0x0116 get_network_key_info            -            IBBBBI
"""


def _parse_rows() -> dict[int, EzspCommand]:
    table = {}
    for line in _ROWS.split("\n"):
        if line.strip():
            id_, name, *layouts = line.split()
            parameters, response = (Layout(text.removesuffix("-")) for text in layouts)
            table[int(id_, 16)] = EzspCommand(int(id_, 16), name, parameters, response)
    return table


COMMANDS = _parse_rows()

INVALID_COMMAND = EzspCallback(0x0058, Layout("B"))
STACK_STATUS = EzspCallback(0x0019, Layout("B"))
ENERGY_SCAN_RESULT = EzspCallback(0x0048, Layout("Bb"))
SCAN_COMPLETE = EzspCallback(0x001C, Layout("BB"))
CHILD_JOIN = EzspCallback(0x0023, Layout("BBH8sB"))
TRUST_CENTER_JOIN = EzspCallback(0x0024, Layout("H8sBBH"))
MESSAGE_SENT = EzspCallback(0x003F, Layout("BH" + _APS + "BBv"))
ROUTE_ERROR = EzspCallback(0x0080, Layout("BH"))
ID_CONFLICT = EzspCallback(0x007C, Layout("H"))

_INCOMING = struct.Struct("<BBBHB" + _APS + "BbHBBB")
_INCOMING_ID = 0x0045
_LQI, _RSSI = 255, -40


def incoming_message(
    sequence: int, type_: int, aps: tuple[int, int, int, int, int, int, int], sender: int, payload: bytes
) -> bytes:
    """incomingMessageHandler, packed by hand because it is sent up to a thousand times a second."""
    head = _INCOMING.pack(
        sequence, _CALLBACK, _EXTENDED, _INCOMING_ID, type_, *aps,
        _LQI, _RSSI, sender, NULL_INDEX, NULL_INDEX, len(payload),
    )  # fmt: skip
    return head + payload


@dataclass(frozen=True, slots=True)
class EzspRequest:
    """A host's frame; `legacy`: in the format of EZSP before version 8."""

    sequence: int
    command: int
    parameters: bytes
    legacy: bool

    def response(self, command: int, parameters: bytes) -> bytes:
        if self.legacy:
            return bytes((self.sequence, _RESPONSE, _VERSION, *parameters))
        return struct.pack("<BBBH", self.sequence, _RESPONSE, _EXTENDED, command) + parameters


def parse_request(frame: bytes) -> EzspRequest | None:
    """A host's frame; None where the bytes are no frame. `version` alone may come in the legacy format."""
    if len(frame) == 4 and frame[2] == _VERSION:
        return EzspRequest(frame[0], _VERSION, frame[3:], legacy=True)
    if len(frame) < 5:
        return None
    return EzspRequest(frame[0], frame[3] | frame[4] << 8, frame[5:], legacy=False)
