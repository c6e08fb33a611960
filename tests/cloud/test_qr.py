"""§3.1's QR data, there and back, and as a picture that can be read again."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.cloud.qr import QrData, draw_qr, parse_qr
from gatewayd.model.errors import GatewayError, MalformedError

GATEWAY = QrData("https://aa.zjchilink.com:8084", "AA01GW-UG", "00158d0000d04700")
TEXT = "https://aa.zjchilink.com:8084/api/app/AA01GW-UG/00158d0000d04700"

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda word: word.strip())


def test_it_is_written_as_the_api_says() -> None:
    assert str(GATEWAY) == TEXT
    assert parse_qr(TEXT) == GATEWAY
    assert parse_qr(f" {TEXT}\n") == GATEWAY


@given(type_sub=words, uuid=words)
def test_whatever_is_written_is_read_again(type_sub: str, uuid: str) -> None:
    data = QrData("http://192.168.0.240:8000/cloud", type_sub, uuid)
    assert parse_qr(str(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "ftp://a/api/app/x/y", "https:///api/app/x/y", "https://a/api/app/x", "https://a/api/app//y",
        "https://a/api/app/x/", "https://a/app/api/x/y", f"{TEXT}?token=1", "https://[a/api/app/x/y",
        f"{TEXT}{'x' * 500}",
    ],
)  # fmt: skip
def test_what_is_something_else_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_qr(text)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        data = parse_qr(text)
    except MalformedError:
        return
    assert parse_qr(str(data)) == data


def test_it_is_drawn_square_with_its_three_corners() -> None:
    segno = pytest.importorskip("segno", reason="the extra `qr` is not installed")
    lines = draw_qr(GATEWAY).splitlines()
    side = segno.make(TEXT, micro=False).symbol_size()[0]
    letters = [sum(letter in "█▀▄ " for letter in line) for line in lines]
    assert set(letters) == {side}
    assert len(lines) == (side + 1) // 2


def test_without_segno_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(GatewayError, match=r"gatewayd\[qr\]"):
        draw_qr(GATEWAY)
