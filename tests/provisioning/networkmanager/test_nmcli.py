"""nmcli, an independent client of NetworkManager, shows the same networks and connections."""

from gatewayd.model.wifi import Auth, Encryption, WifiCredentials
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.common.networkmanager.mock_radio import WPA1, WPA2, MockRadio
from tests.common.networkmanager.nmcli import nmcli

CREDENTIALS = WifiCredentials("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, "correct horse battery")


async def test_nmcli_lists_the_same_networks_and_signals(radio: MockRadio, bus: str, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(CREDENTIALS.ssid, strength=40, rsn=WPA2)
    await radio.add_network(b"cafe", strength=90)
    await radio.add_network(b"both", strength=55, wpa=WPA1, rsn=WPA2)

    listed = [(network.ssid.decode(), str(network.signal)) for network in await wifi.scan()]
    nmcli_rows = await nmcli(bus, "--fields", "SSID,SIGNAL", "device", "wifi", "list", "--rescan", "no")

    assert sorted(listed) == sorted((ssid, signal) for ssid, signal in nmcli_rows)


async def test_nmcli_shows_the_joined_network_as_active(radio: MockRadio, bus: str, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(CREDENTIALS.ssid, rsn=WPA2)

    await wifi.join(CREDENTIALS)

    assert ["不要上我", "802-11-wireless", "wlan0"] in await nmcli(
        bus, "--fields", "NAME,TYPE,DEVICE", "connection", "show", "--active"
    )
    assert await nmcli(bus, "--fields", "DEVICE,STATE,CONNECTION", "device", "status") == [
        ["wlan0", "connected", "不要上我"]
    ]
