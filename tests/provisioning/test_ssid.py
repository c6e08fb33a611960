"""A network's name goes to a phone as text and comes back as the same bytes, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.model.errors import MalformedError
from gatewayd.provisioning.ssid import SsidNames, to_text


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
def test_a_name_is_shown_as_people_wrote_it(ssid: bytes, text: str) -> None:
    assert to_text(ssid) == text
    assert SsidNames([ssid]).ssid(text) == ssid
    assert SsidNames([ssid]).text(ssid) == text


def test_two_names_that_would_read_the_same_are_told_apart() -> None:
    one, other = "老网络".encode(), "老网络".encode("gb18030")
    names = SsidNames([one, other])
    assert names.text(one) == "老网络"
    assert names.text(other) != "老网络"
    assert [names.ssid(names.text(ssid)) for ssid in (one, other)] == [one, other]


def test_a_name_that_reads_like_an_escape_takes_nobody_elses() -> None:
    ssids = [rb"\x5cxff", rb"\xff", b"\xff"]
    names = SsidNames(ssids)
    assert [names.ssid(names.text(ssid)) for ssid in ssids] == ssids
    assert [SsidNames().ssid(names.text(ssid)) for ssid in ssids] == ssids


_ODD = st.lists(st.sampled_from([b"\\", rb"\x", rb"\xff", b"\xff", b"5c", "网".encode("gb18030")]), min_size=1)


@given(st.lists(st.binary(min_size=1, max_size=32) | _ODD.map(lambda parts: b"".join(parts)[:32]), max_size=8))
def test_every_list_of_names_comes_back(ssids: list[bytes]) -> None:
    names = SsidNames(ssids)
    assert [names.ssid(names.text(ssid)) for ssid in ssids] == ssids
    assert len({names.text(ssid) for ssid in ssids}) == len(set(ssids))


def test_a_name_of_the_former_list_is_still_known() -> None:
    faded = "老网络".encode("gb18030")
    names = SsidNames([b"cafe"], former=SsidNames([faded]))
    assert names.ssid("老网络") == faded
    assert SsidNames([], former=names).ssid("老网络") == "老网络".encode()


def test_an_escape_is_undone_where_the_list_is_forgotten() -> None:
    assert SsidNames().ssid("\\xff\\xfe\\x80\\x5cx") == b"\xff\xfe\x80\\x"


@pytest.mark.parametrize("text", ["", "x" * 33, "网" * 11, "\ud800"])
def test_what_no_network_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match=r"data\.ssid"):
        SsidNames().ssid(text)
