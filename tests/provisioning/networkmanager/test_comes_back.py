"""NetworkManager, its bus and its radio go away and come back; gatewayd needs no restart for it."""

import asyncio
from pathlib import Path

import pytest

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, ScanError, WifiCredentials
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.common.networkmanager.mock_radio import MANAGER, NM, TO_AUTHENTICATION, WPA2, breathing
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus

CHOICE = WifiCredentials(b"home", Auth.WPA2PSK, Encryption.AES, "correct horse battery")


async def test_networkmanager_that_is_away_is_said_and_used_once_it_is_there(
    bus: str, wifi: NetworkManagerWifi
) -> None:
    for _ in range(2):
        with pytest.raises(ScanError, match="NetworkManager is not running"):
            await wifi.scan()
        with pytest.raises(JoinError, match="NetworkManager is not running") as raised:
            await wifi.join(CHOICE)
        assert raised.value.failure is JoinFailure.UNAVAILABLE
        assert await wifi.link() is None

        async with mock_network_manager(bus), breathing(bus) as air:
            await air.add_radio("wlan0")
            await air.add_network(b"home", rsn=WPA2)
            assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_networkmanager_that_stops_in_the_middle_of_a_join_ends_it(bus: str, wifi: NetworkManagerWifi) -> None:
    async with mock_network_manager(bus) as manager, breathing(bus) as air:
        await air.add_radio("wlan0")
        air.way = TO_AUTHENTICATION
        joining = asyncio.create_task(wifi.join(CHOICE))
        await asyncio.wait_for(air.stepped.wait(), 10)
        manager.kill()

        with pytest.raises(JoinError, match="NetworkManager stopped") as raised:
            await joining

    assert raised.value.failure is JoinFailure.UNAVAILABLE


async def test_a_bus_that_is_away_or_breaks_is_said_and_used_once_it_is_there(socket_folder: Path) -> None:
    need_dbusmock()
    wifi = NetworkManagerWifi("wlan0", address=f"unix:path={socket_folder / 'bus'}")
    for _ in range(2):
        with pytest.raises(ScanError, match=r"the system bus at .* cannot be reached"):
            await wifi.scan()

        async with private_bus(socket_folder) as address, mock_network_manager(address), breathing(address) as air:
            await air.add_radio("wlan0")
            await air.add_network(b"home", rsn=WPA2)
            assert [network.ssid for network in await wifi.scan()] == [b"home"]
            air.way = TO_AUTHENTICATION
            joining = asyncio.create_task(wifi.join(CHOICE))
            await asyncio.wait_for(air.stepped.wait(), 10)
        with pytest.raises(JoinError) as raised:
            await joining
        assert raised.value.failure is JoinFailure.UNAVAILABLE


async def test_what_this_user_may_not_do_is_told_apart(bus: str, wifi: NetworkManagerWifi) -> None:
    async with mock_network_manager(bus), breathing(bus) as air:
        await air.add_radio("wlan0")
        signature = "a{sa{sv}}ooa{sv}"
        await air.refuse(MANAGER, NM, "AddAndActivateConnection2", signature, f"{NM}.PermissionDenied")

        with pytest.raises(JoinError, match="is the polkit rule installed"):
            await wifi.join(CHOICE)
