"""Fixtures: a private bus, python-dbusmock's NetworkManager on it with a simulated radio, and NetworkManagerWifi."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from tests.common.networkmanager.mock_radio import MockRadio, mock_radio
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder with a short path: the path of a socket is limited, and pytest's may be too long."""
    with TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.fixture
async def bus(socket_folder: Path) -> AsyncIterator[str]:
    need_dbusmock()
    async with private_bus(socket_folder) as address:
        yield address


@pytest.fixture
async def radio(bus: str) -> AsyncIterator[MockRadio]:
    """NetworkManager with one radio, wlan0, without any network in range yet."""
    async with mock_network_manager(bus), mock_radio(bus) as radio:
        await radio.add_radio("wlan0")
        yield radio


@pytest.fixture
def wifi(bus: str) -> NetworkManagerWifi:
    return NetworkManagerWifi("wlan0", address=bus, limits=JoinTimeouts(call=10, scan=10, join=10, restore=10))
