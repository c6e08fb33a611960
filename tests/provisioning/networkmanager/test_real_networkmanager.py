"""A real NetworkManager without a radio: it accepts our settings, and treats volatile and saved profiles as assumed."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from dbus_fast import Variant

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, ScanError, WifiCredentials
from gatewayd.provisioning.networkmanager import profiles
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.bus import NM, Bus, SignalMatch, open_bus
from gatewayd.provisioning.networkmanager.failure_reasons import NmDeviceStateReason
from gatewayd.provisioning.networkmanager.objects import ACTIVE_CONNECTION, DEVICE, MANAGER, NmDeviceState
from gatewayd.provisioning.networkmanager.security import settings_for
from tests.common.networkmanager.private_bus import need
from tests.common.networkmanager.real_manager import RealManager, real_network_manager
from tests.common.networkmanager.wired import activate_wired, add, states, until, veth

CREDENTIALS = [
    WifiCredentials("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, "correct horse battery"),
    WifiCredentials(b"mixed", Auth.WPAPSK_WPA2PSK, Encryption.TKIP_AES, "0aF" * 21 + "f"),
    WifiCredentials(b"old", Auth.WPAPSK, Encryption.TKIP, "a" * 8),
    WifiCredentials(b"older", Auth.OPEN, Encryption.WEP, "abcde"),
    WifiCredentials(b"oldest", Auth.SHARED, Encryption.WEP, "ab" * 13),
    WifiCredentials(b"cafe", Auth.OPEN, Encryption.NONE),
    WifiCredentials(bytes(range(224, 256)), Auth.OPEN, Encryption.NONE),
    WifiCredentials(b"\0zero\n", Auth.OPEN, Encryption.NONE),
]


@pytest.fixture
async def manager(socket_folder: Path) -> AsyncIterator[RealManager]:
    async with real_network_manager(socket_folder) as manager:
        yield manager


@pytest.fixture
async def bus(manager: RealManager) -> AsyncIterator[Bus]:
    async with open_bus(manager.address, timeout_s=10) as bus:
        yield bus


async def test_board_without_wifi_is_reported_with_the_reason(manager: RealManager) -> None:
    for interface, reason in [
        (None, "there is no Wi-Fi device"),
        ("wlan0", "there is no interface wlan0"),
        ("gw0", "gw0 is not a Wi-Fi interface"),
    ]:
        wifi = NetworkManagerWifi(interface, address=manager.address)
        with pytest.raises(ScanError, match=reason):
            await wifi.scan()
        with pytest.raises(JoinError, match=reason) as raised:
            await wifi.join(CREDENTIALS[0])
        assert raised.value.failure is JoinFailure.UNAVAILABLE
        assert await wifi.link() is None


@pytest.mark.parametrize("is_hidden", [False, True])
async def test_settings_of_every_kind_of_network_are_accepted_and_saved(
    manager: RealManager, bus: Bus, is_hidden: bool
) -> None:
    for credentials in CREDENTIALS:
        settings = settings_for(credentials, "wlan0", uuid4(), is_hidden=is_hidden, former={})
        path = await add(bus, settings)
        assert manager.stored_profiles() == {}

        await profiles.save(bus, path)

        (stored,) = manager.stored_profiles().values()
        assert credentials.passphrase in stored
        assert [found.path for found in await profiles.profiles_for(bus, credentials.ssid, "wlan0")] == [path]
        await profiles.delete(bus, path)
        assert manager.stored_profiles() == {}


async def test_ip_settings_of_a_former_profile_are_taken_over(bus: Bus) -> None:
    credentials = CREDENTIALS[0]
    address = {"address": Variant("s", "192.168.7.9"), "prefix": Variant("u", 24)}
    ipv4 = {"ipv4": {"method": Variant("s", "manual"), "address-data": Variant("aa{sv}", [address])}}
    await add(bus, settings_for(credentials, "wlan0", uuid4(), is_hidden=False, former=ipv4))
    (former,) = await profiles.profiles_for(bus, credentials.ssid, "wlan0")

    again = await add(bus, settings_for(credentials, "wlan0", uuid4(), is_hidden=False, former=former.settings))

    assert (await profiles.profile_at(bus, again)).settings["ipv4"] == former.settings["ipv4"]


async def test_volatile_profile_is_dropped_when_its_activation_fails(manager: RealManager, bus: Bus) -> None:
    async with bus.subscribed(await states(bus), SignalMatch(ACTIVE_CONNECTION, "StateChanged")) as signals:
        no_server = {"method": Variant("s", "auto"), "may-fail": Variant("b", False), "dhcp-timeout": Variant("i", 1)}
        _, path = await activate_wired(bus, no_server)

        assert await until(signals, NmDeviceState.FAILED) == NmDeviceStateReason.IP_CONFIG_UNAVAILABLE
        await until(signals, NmDeviceState.DISCONNECTED)

    (paths,) = await bus.call(f"{MANAGER}/Settings", f"{NM}.Settings", "ListConnections")
    assert path not in paths
    assert manager.stored_profiles() == {}


async def test_saved_profile_outlives_its_activation(manager: RealManager, bus: Bus) -> None:
    async with bus.subscribed(await states(bus)) as signals:
        address = {"address": Variant("s", "192.168.7.9"), "prefix": Variant("u", 24)}
        ipv4 = {"method": Variant("s", "manual"), "address-data": Variant("aa{sv}", [address])}
        uuid, path = await activate_wired(bus, ipv4)
        await until(signals, NmDeviceState.ACTIVATED)
        await profiles.save(bus, path)
        await bus.call(await veth(bus), DEVICE, "Disconnect")
        await until(signals, NmDeviceState.DISCONNECTED)

    (stored,) = manager.stored_profiles().values()
    assert str(uuid) in stored
    await profiles.delete_by_uuid(bus, uuid)
    assert manager.stored_profiles() == {}


async def test_nmcli_shows_the_same_profile(manager: RealManager, bus: Bus) -> None:
    need("nmcli")
    credentials = CREDENTIALS[0]
    path = await add(bus, settings_for(credentials, "wlan0", uuid4(), is_hidden=True, former={}))
    await profiles.save(bus, path)

    fields = "802-11-wireless.ssid,802-11-wireless.hidden,802-11-wireless-security.key-mgmt,ipv4.may-fail"
    command = ("nmcli", "--terse", "--get-values", fields, "connection", "show", "不要上我")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={"DBUS_SYSTEM_BUS_ADDRESS": manager.address, "LC_ALL": "C.UTF-8"}
    )
    printed, _ = await process.communicate()

    assert printed.decode().split() == ["不要上我", "yes", "wpa-psk", "no"]
