"""The check for newer firmware compares versions, and reports a version that is none."""

import pytest

from gatewayd.firmware.checker import FirmwareCheck, FirmwareChecker
from gatewayd.model.errors import CloudError


def checker(installed: str, latest: str) -> FirmwareChecker:
    async def fetch_latest() -> str:
        return latest

    return FirmwareChecker(installed, fetch_latest, interval_s=3600)


@pytest.mark.parametrize(("latest", "is_newer"), [("1.10.0", True), ("1.9.0", False), ("1.8.9", False)])
async def test_check_compares_the_latest_version_with_the_installed_one(latest: str, is_newer: bool) -> None:
    firmware = checker("1.9.0", latest)
    assert await firmware.check() == FirmwareCheck("1.9.0", latest, is_newer)
    assert firmware.last_check == FirmwareCheck("1.9.0", latest, is_newer)


async def test_check_fails_when_the_latest_version_is_none() -> None:
    firmware = checker("1.9.0", "newest")
    with pytest.raises(CloudError, match="'newest' is no version"):
        await firmware.check()
    assert firmware.last_check is None
