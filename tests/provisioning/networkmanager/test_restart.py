"""NetworkManager or the bus stops and starts again; gatewayd uses it again without a restart."""

import asyncio
from pathlib import Path

import pytest

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, ScanError, WifiCredentials
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.common.networkmanager.mock_radio import MANAGER, NM, TO_AUTHENTICATION, WPA2, mock_radio
from tests.common.networkmanager.private_bus import mock_network_manager, need_dbusmock, private_bus

CREDENTIALS = WifiCredentials(b"home", Auth.WPA2PSK, Encryption.AES, "correct horse battery")


async def test_stopped_networkmanager_is_reported_and_used_again_once_it_runs(
    bus: str, wifi: NetworkManagerWifi
) -> None:
    for _ in range(2):
        with pytest.raises(ScanError, match="NetworkManager is not running"):
            await wifi.scan()
        with pytest.raises(JoinError, match="NetworkManager is not running") as raised:
            await wifi.join(CREDENTIALS)
        assert raised.value.failure is JoinFailure.UNAVAILABLE
        assert await wifi.link() is None

        async with mock_network_manager(bus), mock_radio(bus) as radio:
            await radio.add_radio("wlan0")
            await radio.add_network(b"home", rsn=WPA2)
            assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_join_fails_when_networkmanager_stops_meanwhile(bus: str, wifi: NetworkManagerWifi) -> None:
    async with mock_network_manager(bus) as manager, mock_radio(bus) as radio:
        await radio.add_radio("wlan0")
        radio.activation_states = TO_AUTHENTICATION
        joining = asyncio.create_task(wifi.join(CREDENTIALS))
        await asyncio.wait_for(radio.activation_ended.wait(), 10)
        manager.kill()

        with pytest.raises(JoinError, match="NetworkManager stopped") as raised:
            await joining

    assert raised.value.failure is JoinFailure.UNAVAILABLE


async def test_missing_bus_is_reported_and_used_again_once_it_runs(socket_folder: Path) -> None:
    need_dbusmock()
    wifi = NetworkManagerWifi("wlan0", address=f"unix:path={socket_folder / 'bus'}")
    for _ in range(2):
        with pytest.raises(ScanError, match=r"the system bus at .* cannot be reached"):
            await wifi.scan()

        async with private_bus(socket_folder) as address, mock_network_manager(address), mock_radio(address) as radio:
            await radio.add_radio("wlan0")
            await radio.add_network(b"home", rsn=WPA2)
            assert [network.ssid for network in await wifi.scan()] == [b"home"]
            radio.activation_states = TO_AUTHENTICATION
            joining = asyncio.create_task(wifi.join(CREDENTIALS))
            await asyncio.wait_for(radio.activation_ended.wait(), 10)
        with pytest.raises(JoinError) as raised:
            await joining
        assert raised.value.failure is JoinFailure.UNAVAILABLE


async def test_denied_call_is_reported_with_the_polkit_rule(bus: str, wifi: NetworkManagerWifi) -> None:
    async with mock_network_manager(bus), mock_radio(bus) as radio:
        await radio.add_radio("wlan0")
        signature = "a{sa{sv}}ooa{sv}"
        await radio.refuse(MANAGER, NM, "AddAndActivateConnection2", signature, f"{NM}.PermissionDenied")

        with pytest.raises(JoinError, match="is the polkit rule installed"):
            await wifi.join(CREDENTIALS)
