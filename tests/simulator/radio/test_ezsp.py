"""The table of commands against the coordinator, and against how bellows reads and writes the same frames."""

import struct

import pytest
from bellows.ezsp.v13 import EZSPv13

from gatewayd.simulator.radio import SimulatedNetwork, ezsp
from gatewayd.simulator.radio.ezsp import COMMANDS, Layout, parse_request


def test_every_command_of_the_table_is_known_to_bellows_under_the_same_number() -> None:
    theirs = {number for number, _, _ in EZSPv13.COMMANDS.values()}
    assert set(COMMANDS) <= theirs


def test_the_first_version_command_comes_and_is_answered_in_the_old_format() -> None:
    request = parse_request(bytes((7, 0x00, 0x00, 4)))
    assert request is not None
    assert request.legacy
    assert SimulatedNetwork().ncp.handle(bytes((7, 0x00, 0x00, 4))) == bytes((7, 0x80, 0x00, 13, 2, 0x50, 0x74))


def test_an_unknown_command_is_answered_as_invalid() -> None:
    answer = SimulatedNetwork().ncp.handle(bytes((9, 0, 1)) + struct.pack("<H", 0x7777))
    assert answer == bytes((9, 0x80, 1, 0x58, 0x00, ezsp.EzspStatus.ERROR_INVALID_FRAME_ID))


def test_a_command_that_is_cut_short_is_answered_as_truncated() -> None:
    answer = SimulatedNetwork().ncp.handle(bytes((9, 0, 1)) + struct.pack("<H", 0x0034) + b"\x00\x01")
    assert answer == bytes((9, 0x80, 1, 0x58, 0x00, ezsp.EzspStatus.ERROR_TRUNCATED))


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\x01\x02\x03"])
def test_what_is_no_frame_gets_no_answer(frame: bytes) -> None:
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
def test_a_layout_packs_and_unpacks(layout: str, fields: tuple[ezsp.Field, ...], wire: str) -> None:
    assert Layout(layout).pack(fields).hex() == wire
    assert Layout(layout).unpack(bytes.fromhex(wire)) == fields


def test_a_layout_says_when_bytes_are_missing() -> None:
    with pytest.raises(struct.error):
        Layout("v").unpack(b"\x05abc")
