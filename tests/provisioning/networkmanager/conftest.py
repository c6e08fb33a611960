"""A private bus, python-dbusmock's NetworkManager on it, a radio, and the part under test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from tests.common.networkmanager.mock_radio import Air, breathing
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus


@pytest.fixture
def socket_folder() -> Iterator[Path]:  # a socket's path has a bound that pytest's own folders may pass
    with TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.fixture
async def bus(socket_folder: Path) -> AsyncIterator[str]:
    need_dbusmock()
    async with private_bus(socket_folder) as address:
        yield address


@pytest.fixture
async def air(bus: str) -> AsyncIterator[Air]:
    """NetworkManager with one radio, wlan0, that hears nothing yet."""
    async with mock_network_manager(bus), breathing(bus) as air:
        await air.add_radio("wlan0")
        yield air


@pytest.fixture
async def wifi(bus: str) -> AsyncIterator[NetworkManagerWifi]:
    async with NetworkManagerWifi(
        "wlan0", address=bus, limits=JoinTimeouts(call=10, scan=10, join=10, restore=10)
    ) as wifi:
        yield wifi
