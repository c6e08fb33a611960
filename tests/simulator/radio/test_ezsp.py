"""The table of EZSP commands, and the coordinator's answers to frames that are legacy, unknown or too short."""

import struct

import pytest
from bellows.ezsp.v13 import EZSPv13

from gatewayd.simulator.radio import SimulatedNetwork, ezsp
from gatewayd.simulator.radio.ezsp import COMMANDS, Layout, parse_request

SEND_UNICAST = 0x0034


def invalid_command_frame(sequence: int, status: ezsp.EzspStatus) -> bytes:
    return struct.pack("<BBBHB", sequence, 0x80, 1, ezsp.INVALID_COMMAND.id, status)


def test_command_numbers_match_those_of_bellows() -> None:
    bellows_numbers = {number for number, _, _ in EZSPv13.COMMANDS.values()}
    assert set(COMMANDS) <= bellows_numbers


def test_version_command_in_legacy_format_is_answered_in_legacy_format() -> None:
    request = parse_request(bytes((7, 0x00, 0x00, 4)))
    assert request is not None
    assert request.legacy
    assert SimulatedNetwork().ncp.handle(bytes((7, 0x00, 0x00, 4))) == bytes((7, 0x80, 0x00, 13, 2, 0x50, 0x74))


def test_unknown_command_is_answered_as_invalid() -> None:
    answer = SimulatedNetwork().ncp.handle(bytes((9, 0, 1)) + struct.pack("<H", 0x7777))
    assert answer == invalid_command_frame(9, ezsp.EzspStatus.ERROR_INVALID_FRAME_ID)


def test_command_with_missing_parameters_is_answered_as_truncated() -> None:
    answer = SimulatedNetwork().ncp.handle(bytes((9, 0, 1)) + struct.pack("<H", SEND_UNICAST) + b"\x00\x01")
    assert answer == invalid_command_frame(9, ezsp.EzspStatus.ERROR_TRUNCATED)


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\x01\x02\x03"])
def test_bytes_that_are_no_frame_are_not_answered(frame: bytes) -> None:
    assert SimulatedNetwork().ncp.handle(frame) is None


@pytest.mark.parametrize(
    ("layout", "fields", "wire"),
    [
        ("BH", (1, 0x0203), "010302"),
        ("Bv", (1, b"abc"), "0103616263"),
        ("Iw", (1, b"ab"), "01000000020000006162"),
        ("r", (b"xyz",), "78797a"),
        ("", (), ""),
    ],
)
def test_layout_packs_and_unpacks_fields(layout: str, fields: tuple[ezsp.Field, ...], wire: str) -> None:
    assert Layout(layout).pack(fields).hex() == wire
    assert Layout(layout).unpack(bytes.fromhex(wire)) == fields


def test_layout_raises_when_bytes_are_missing() -> None:
    with pytest.raises(struct.error):
        Layout("v").unpack(b"\x05abc")
