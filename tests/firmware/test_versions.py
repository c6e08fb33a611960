"""Firmware versions are compared number by number."""

import pytest

from gatewayd.firmware.versions import FirmwareVersion


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10.0"), ("1.2.0-rc1", "1.2.0"), ("v1.0.0", "V1.0.1"), ("0.1.0", "1"), ("1.2.0-rc1", "1.2.0-rc2")],
)
def test_newer_version_is_newer(older: str, newer: str) -> None:
    assert FirmwareVersion(older) < FirmwareVersion(newer)
    assert not FirmwareVersion(newer) < FirmwareVersion(older)


def test_trailing_zeros_are_ignored() -> None:
    assert FirmwareVersion("1.2") == FirmwareVersion("v1.2.0")


@pytest.mark.parametrize("text", ["", "latest", "1..2", "１.２"])
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        FirmwareVersion(text)
