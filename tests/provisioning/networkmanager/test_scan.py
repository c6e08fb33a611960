"""Listing networks, against python-dbusmock's NetworkManager."""

import pytest
from dbus_fast import Variant

from gatewayd.model.wifi import Auth, Encryption, ScanError, WifiNetwork
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.security import Security
from tests.common.networkmanager.mock_radio import DEVICE, MANAGER, NM, WIRELESS, WPA1, WPA2, Air


async def test_networks_are_listed_strongest_first_each_ssid_once(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_network("不要上我".encode(), strength=40, rsn=WPA2)
    await air.add_network(b"cafe", strength=90)
    await air.add_network("不要上我".encode(), strength=70, rsn=WPA2)
    await air.add_network(b"old", strength=10, wpa=WPA1)

    assert await wifi.scan() == (
        WifiNetwork(b"cafe", Auth.OPEN, Encryption.NONE, 90),
        WifiNetwork("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, 70),
        WifiNetwork(b"old", Auth.WPAPSK, Encryption.TKIP, 10),
    )


async def test_what_cannot_be_joined_and_what_has_no_name_is_left_out(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_network(b"wpa3 only", rsn=Security.SAE | Security.PAIR_CCMP)
    await air.add_network(b"office", rsn=Security.IEEE_802_1X | Security.PAIR_CCMP)
    await air.add_network(b"", rsn=WPA2)
    await air.add_network(b"\0\0\0", rsn=WPA2)
    await air.add_network(b"someone's hotspot", rsn=WPA2, mode=1)
    await air.add_network(b"home", rsn=WPA2 | Security.SAE)

    assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_names_of_any_bytes_come_as_the_air_carries_them(air: Air, wifi: NetworkManagerWifi) -> None:
    names = [bytes(range(1, 33)), "路由器".encode("gbk"), b"\xff\xfe"]
    for name in names:
        await air.add_network(name)

    assert sorted(network.ssid for network in await wifi.scan()) == sorted(names)


async def test_the_list_is_that_of_after_the_scan(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_network(b"before")
    first = await wifi.scan()
    await air.add_network(b"after", strength=99)

    assert [network.ssid for network in first] == [b"before"]
    assert [network.ssid for network in await wifi.scan()] == [b"after", b"before"]
    assert [member for member, _ in air.calls].count("RequestScan") == 2


async def test_a_scan_just_made_by_another_is_used(air: Air, bus: str) -> None:
    await air.add_network(b"home")
    await air.set(air.device, WIRELESS, LastScan=Variant("x", 50_000))
    await air.refuse(air.device, WIRELESS, "RequestScan", "a{sv}", f"{NM}.Device.NotAllowed")

    async with NetworkManagerWifi("wlan0", address=bus, clock_ms=lambda: 53_000) as wifi:
        assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_a_scan_that_never_ends_is_given_up(air: Air, bus: str) -> None:
    air.scans = False

    async with NetworkManagerWifi("wlan0", address=bus, limits=JoinTimeouts(scan=0.2)) as wifi:
        with pytest.raises(ScanError, match=r"wlan0 did not finish a scan in 0\.2 s"):
            await wifi.scan()


@pytest.mark.parametrize(
    ("place", "interface", "change", "reason"),
    [
        (MANAGER, NM, {"WirelessEnabled": Variant("b", False)}, r"switched off \(nmcli radio wifi on\)"),
        (MANAGER, NM, {"WirelessHardwareEnabled": Variant("b", False)}, "a switch or by rfkill"),
        (MANAGER, NM, {"NetworkingEnabled": Variant("b", False)}, "networking is switched off"),
        ("", DEVICE, {"State": Variant("u", 10)}, "wlan0 is not managed"),
        ("", DEVICE, {"State": Variant("u", 20)}, "wlan0 is not ready"),
    ],
)
async def test_a_radio_that_cannot_be_used_is_said_plainly_and_used_when_it_can(
    air: Air, wifi: NetworkManagerWifi, place: str, interface: str, change: dict[str, Variant], reason: str
) -> None:
    await air.add_network(b"home")
    place = place or air.device
    before = {name: Variant(value.signature, await air.get(place, interface, name)) for name, value in change.items()}

    await air.set(place, interface, **change)
    with pytest.raises(ScanError, match=reason):
        await wifi.scan()

    await air.set(place, interface, **before)
    assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_an_interface_that_is_not_there_or_not_wifi_is_named(air: Air, bus: str) -> None:
    await air.add_ethernet("eth0")

    with pytest.raises(ScanError, match="there is no interface wlan7"):
        await NetworkManagerWifi("wlan7", address=bus).scan()
    with pytest.raises(ScanError, match="eth0 is not a Wi-Fi interface"):
        await NetworkManagerWifi("eth0", address=bus).scan()


async def test_without_a_name_the_first_radio_is_taken(air: Air, bus: str) -> None:
    await air.add_ethernet("eth0")
    await air.add_network(b"home")

    assert [network.ssid for network in await NetworkManagerWifi(address=bus).scan()] == [b"home"]


async def test_of_two_radios_the_one_that_can_be_used_is_taken(air: Air, bus: str) -> None:
    await air.set(air.device, DEVICE, State=Variant("u", 10))
    with pytest.raises(ScanError, match="wlan0 is not managed"):
        await NetworkManagerWifi(address=bus).scan()

    await air.add_radio("wlan1")
    await air.add_network(b"home")

    assert [network.ssid for network in await NetworkManagerWifi(address=bus).scan()] == [b"home"]
