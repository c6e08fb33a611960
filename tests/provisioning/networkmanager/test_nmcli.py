"""nmcli, which nobody here wrote, sees what we see."""

from gatewayd.model.wifi import Auth, Encryption, WifiCredentials
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.common.networkmanager.mock_radio import WPA1, WPA2, Air
from tests.common.networkmanager.nmcli import nmcli

PLAIN = WifiCredentials("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, "correct horse battery")


async def test_nmcli_lists_the_same_networks_with_the_same_signal(air: Air, bus: str, wifi: NetworkManagerWifi) -> None:
    await air.add_network(PLAIN.ssid, strength=40, rsn=WPA2)
    await air.add_network(b"cafe", strength=90)
    await air.add_network(b"both", strength=55, wpa=WPA1, rsn=WPA2)

    ours = [(network.ssid.decode(), str(network.signal)) for network in await wifi.scan()]
    theirs = await nmcli(bus, "--fields", "SSID,SIGNAL", "device", "wifi", "list", "--rescan", "no")

    assert sorted(ours) == sorted((ssid, signal) for ssid, signal in theirs)


async def test_nmcli_sees_the_joined_network_as_active(air: Air, bus: str, wifi: NetworkManagerWifi) -> None:
    await air.add_network(PLAIN.ssid, rsn=WPA2)

    await wifi.join(PLAIN)

    assert ["不要上我", "802-11-wireless", "wlan0"] in await nmcli(
        bus, "--fields", "NAME,TYPE,DEVICE", "connection", "show", "--active"
    )
    assert await nmcli(bus, "--fields", "DEVICE,STATE,CONNECTION", "device", "status") == [
        ["wlan0", "connected", "不要上我"]
    ]
