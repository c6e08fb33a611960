"""Listing networks, against python-dbusmock's NetworkManager."""

import pytest
from dbus_fast import Variant

from gatewayd.model.wifi import Auth, Encryption, ScanError, WifiNetwork
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.objects import NmDeviceState
from gatewayd.provisioning.networkmanager.security import ApSecurityFlags
from tests.common.networkmanager.mock_radio import DEVICE, MANAGER, NM, WIRELESS, WPA1, WPA2, MockRadio


async def test_networks_are_listed_strongest_first_each_ssid_once(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await radio.add_network("不要上我".encode(), strength=40, rsn=WPA2)
    await radio.add_network(b"cafe", strength=90)
    await radio.add_network("不要上我".encode(), strength=70, rsn=WPA2)
    await radio.add_network(b"old", strength=10, wpa=WPA1)

    assert await wifi.scan() == (
        WifiNetwork(b"cafe", Auth.OPEN, Encryption.NONE, 90),
        WifiNetwork("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, 70),
        WifiNetwork(b"old", Auth.WPAPSK, Encryption.TKIP, 10),
    )


async def test_networks_that_cannot_be_joined_or_have_no_name_are_left_out(
    radio: MockRadio, wifi: NetworkManagerWifi
) -> None:
    await radio.add_network(b"wpa3 only", rsn=ApSecurityFlags.SAE | ApSecurityFlags.PAIR_CCMP)
    await radio.add_network(b"office", rsn=ApSecurityFlags.IEEE_802_1X | ApSecurityFlags.PAIR_CCMP)
    await radio.add_network(b"", rsn=WPA2)
    await radio.add_network(b"\0\0\0", rsn=WPA2)
    await radio.add_network(b"someone's hotspot", rsn=WPA2, mode=1)
    await radio.add_network(b"home", rsn=WPA2 | ApSecurityFlags.SAE)

    assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_ssid_of_arbitrary_bytes_is_listed_unchanged(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    names = [bytes(range(1, 33)), "路由器".encode("gbk"), b"\xff\xfe"]
    for name in names:
        await radio.add_network(name)

    assert sorted(network.ssid for network in await wifi.scan()) == sorted(names)


async def test_every_list_is_from_a_new_scan(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(b"before")
    first = await wifi.scan()
    await radio.add_network(b"after", strength=99)

    assert [network.ssid for network in first] == [b"before"]
    assert [network.ssid for network in await wifi.scan()] == [b"after", b"before"]
    assert [member for member, _ in radio.calls].count("RequestScan") == 2


async def test_recent_scan_is_used_where_a_new_one_is_refused(radio: MockRadio, bus: str) -> None:
    await radio.add_network(b"home")
    await radio.set(radio.device, WIRELESS, LastScan=Variant("x", 50_000))
    await radio.refuse(radio.device, WIRELESS, "RequestScan", "a{sv}", f"{NM}.Device.NotAllowed")

    wifi = NetworkManagerWifi("wlan0", address=bus, clock_ms=lambda: 53_000)

    assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_scan_that_does_not_end_fails_after_the_timeout(radio: MockRadio, bus: str) -> None:
    radio.finishes_scans = False
    wifi = NetworkManagerWifi("wlan0", address=bus, limits=JoinTimeouts(scan=0.2))

    with pytest.raises(ScanError, match=r"wlan0 did not finish a scan in 0\.2 s"):
        await wifi.scan()


@pytest.mark.parametrize(
    ("path", "interface", "change", "reason"),
    [
        (MANAGER, NM, {"WirelessEnabled": Variant("b", False)}, r"switched off \(nmcli radio wifi on\)"),
        (MANAGER, NM, {"WirelessHardwareEnabled": Variant("b", False)}, "a switch or by rfkill"),
        (MANAGER, NM, {"NetworkingEnabled": Variant("b", False)}, "networking is switched off"),
        ("", DEVICE, {"State": Variant("u", NmDeviceState.UNMANAGED)}, "wlan0 is not managed"),
        ("", DEVICE, {"State": Variant("u", NmDeviceState.UNAVAILABLE)}, "wlan0 is not ready"),
    ],
)
async def test_unusable_radio_is_reported_and_used_once_it_is_usable(
    radio: MockRadio, wifi: NetworkManagerWifi, path: str, interface: str, change: dict[str, Variant], reason: str
) -> None:
    await radio.add_network(b"home")
    path = path or radio.device
    before = {name: Variant(value.signature, await radio.get(path, interface, name)) for name, value in change.items()}

    await radio.set(path, interface, **change)
    with pytest.raises(ScanError, match=reason):
        await wifi.scan()

    await radio.set(path, interface, **before)
    assert [network.ssid for network in await wifi.scan()] == [b"home"]


async def test_missing_or_wired_interface_is_reported(radio: MockRadio, bus: str) -> None:
    await radio.add_ethernet("eth0")

    with pytest.raises(ScanError, match="there is no interface wlan7"):
        await NetworkManagerWifi("wlan7", address=bus).scan()
    with pytest.raises(ScanError, match="eth0 is not a Wi-Fi interface"):
        await NetworkManagerWifi("eth0", address=bus).scan()


async def test_without_interface_the_first_radio_is_used(radio: MockRadio, bus: str) -> None:
    await radio.add_ethernet("eth0")
    await radio.add_network(b"home")

    assert [network.ssid for network in await NetworkManagerWifi(address=bus).scan()] == [b"home"]


async def test_without_interface_the_first_usable_radio_is_used(radio: MockRadio, bus: str) -> None:
    await radio.set(radio.device, DEVICE, State=Variant("u", NmDeviceState.UNMANAGED))
    with pytest.raises(ScanError, match="wlan0 is not managed"):
        await NetworkManagerWifi(address=bus).scan()

    await radio.add_radio("wlan1")
    await radio.add_network(b"home")

    assert [network.ssid for network in await NetworkManagerWifi(address=bus).scan()] == [b"home"]
