"""An ssid is sent to a phone as text; the text that comes back stands for the same bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.model.errors import MalformedError
from gatewayd.provisioning.ssid import SsidTable, to_text


@pytest.mark.parametrize(
    ("ssid", "text"),
    [
        (b"cafe", "cafe"),
        ("不要上我".encode(), "不要上我"),
        ("老网络".encode("gb18030"), "老网络"),
        (b"\xff\xfe\x80\\x", "\\xff\\xfe\\x80\\x5cx"),
        ("三十二个字节的网络".encode() + b"-home", "三十二个字节的网络-home"),
    ],
)
def test_ssid_is_shown_as_text_or_escaped(ssid: bytes, text: str) -> None:
    assert to_text(ssid) == text
    assert SsidTable([ssid]).to_bytes(text) == ssid
    assert SsidTable([ssid]).to_text(ssid) == text


def test_ssids_with_equal_text_in_two_encodings_get_different_texts() -> None:
    utf8, gb18030 = "老网络".encode(), "老网络".encode("gb18030")
    table = SsidTable([utf8, gb18030])
    assert table.to_text(utf8) == "老网络"
    assert table.to_text(gb18030) != "老网络"
    assert [table.to_bytes(table.to_text(ssid)) for ssid in (utf8, gb18030)] == [utf8, gb18030]


def test_ssid_that_looks_escaped_is_not_confused_with_an_escaped_one() -> None:
    ssids = [rb"\x5cxff", rb"\xff", b"\xff"]
    table = SsidTable(ssids)
    assert [table.to_bytes(table.to_text(ssid)) for ssid in ssids] == ssids
    assert [SsidTable().to_bytes(table.to_text(ssid)) for ssid in ssids] == ssids


_ODD = st.lists(st.sampled_from([b"\\", rb"\x", rb"\xff", b"\xff", b"5c", "网".encode("gb18030")]), min_size=1)


@given(st.lists(st.binary(min_size=1, max_size=32) | _ODD.map(lambda parts: b"".join(parts)[:32]), max_size=8))
def test_every_list_of_ssids_comes_back_as_the_same_bytes(ssids: list[bytes]) -> None:
    table = SsidTable(ssids)
    assert [table.to_bytes(table.to_text(ssid)) for ssid in ssids] == ssids
    assert len({table.to_text(ssid) for ssid in ssids}) == len(set(ssids))


def test_text_of_the_former_list_is_still_known() -> None:
    gone = "老网络".encode("gb18030")
    table = SsidTable([b"cafe"], former=SsidTable([gone]))
    assert table.to_bytes("老网络") == gone
    assert SsidTable([], former=table).to_bytes("老网络") == "老网络".encode()


def test_escaped_text_is_unescaped_without_a_list() -> None:
    assert SsidTable().to_bytes("\\xff\\xfe\\x80\\x5cx") == b"\xff\xfe\x80\\x"


@pytest.mark.parametrize("text", ["", "x" * 33, "网" * 11, "\ud800"])
def test_text_that_cannot_be_an_ssid_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match=r"data\.ssid"):
        SsidTable().to_bytes(text)
