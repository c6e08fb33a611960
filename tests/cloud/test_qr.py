"""The QR code's text (§3.1) is encoded, decoded and drawn."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.cloud.qr import QrData, draw_qr, parse_qr
from gatewayd.model.errors import GatewayError, MalformedError

GATEWAY = QrData("https://aa.zjchilink.com:8084", "AA01GW-UG", "00158d0000d04700")
TEXT = "https://aa.zjchilink.com:8084/api/app/AA01GW-UG/00158d0000d04700"

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip())


def test_text_is_that_of_the_api() -> None:
    assert str(GATEWAY) == TEXT
    assert parse_qr(TEXT) == GATEWAY
    assert parse_qr(f" {TEXT}\n") == GATEWAY


@given(type_sub=texts, uuid=texts)
def test_any_data_is_encoded_and_parsed_again(type_sub: str, uuid: str) -> None:
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
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_qr(text)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        data = parse_qr(text)
    except MalformedError:
        return
    assert parse_qr(str(data)) == data


def test_drawing_is_square() -> None:
    segno = pytest.importorskip("segno", reason="the extra `qr` is not installed")
    lines = draw_qr(GATEWAY).splitlines()
    side = segno.make(TEXT, micro=False).symbol_size()[0]
    widths = [sum(character in "█▀▄ " for character in line) for line in lines]
    assert set(widths) == {side}
    assert len(lines) == (side + 1) // 2


def test_drawing_without_segno_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(GatewayError, match=r"gatewayd\[qr\]"):
        draw_qr(GATEWAY)
