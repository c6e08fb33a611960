"""nmcli, which nobody here wrote, sees what we see."""

import asyncio
import subprocess

from gatewayd.model.wifi import Auth, Choice, Encryption
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from tests.provisioning.networkmanager.air import WPA1, WPA2, Air
from tests.provisioning.networkmanager.private_bus import need

PLAIN = Choice("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, "correct horse battery")


async def nmcli(bus: str, *arguments: str) -> list[list[str]]:
    """What it prints: rows of fields."""
    need("nmcli")
    process = await asyncio.create_subprocess_exec(
        "nmcli", "--terse", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"DBUS_SYSTEM_BUS_ADDRESS": bus, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    printed, complaint = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, complaint.decode()
    return [line.split(":") for line in printed.decode().splitlines()]


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
