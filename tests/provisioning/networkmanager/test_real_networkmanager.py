"""What needs no radio, against a real NetworkManager: it takes our settings, and does with them what we count on."""

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
from gatewayd.provisioning.networkmanager.failure_reasons import Reason
from gatewayd.provisioning.networkmanager.objects import ACTIVE, DEVICE, MANAGER, NmDeviceState
from gatewayd.provisioning.networkmanager.security import settings_for
from tests.common.networkmanager.private_bus import need
from tests.common.networkmanager.real_manager import RealManager, real_network_manager
from tests.common.networkmanager.wired import activate_wired, add, states, until, veth

CHOICES = [
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


async def test_a_board_without_wifi_gets_a_plain_reason(manager: RealManager) -> None:
    for interface, reason in [
        (None, "there is no Wi-Fi device"),
        ("wlan0", "there is no interface wlan0"),
        ("gw0", "gw0 is not a Wi-Fi interface"),
    ]:
        wifi = NetworkManagerWifi(interface, address=manager.address)
        with pytest.raises(ScanError, match=reason):
            await wifi.scan()
        with pytest.raises(JoinError, match=reason) as raised:
            await wifi.join(CHOICES[0])
        assert raised.value.failure is JoinFailure.UNAVAILABLE
        assert await wifi.link() is None


@pytest.mark.parametrize("is_hidden", [False, True])
async def test_every_kind_of_network_makes_settings_that_are_taken_and_kept(
    manager: RealManager, bus: Bus, is_hidden: bool
) -> None:
    for choice in CHOICES:
        settings = settings_for(choice, "wlan0", uuid4(), is_hidden=is_hidden, former={})
        path = await add(bus, settings)
        assert manager.written() == {}

        await profiles.keep(bus, path)

        (written,) = manager.written().values()
        assert choice.passphrase in written
        assert [found.path for found in await profiles.profiles_for(bus, choice.ssid, "wlan0")] == [path]
        await profiles.forget(bus, path)
        assert manager.written() == {}


async def test_address_settings_of_a_former_profile_are_taken_over_as_they_are_given(bus: Bus) -> None:
    choice = CHOICES[0]
    address = {"address": Variant("s", "192.168.7.9"), "prefix": Variant("u", 24)}
    ipv4 = {"ipv4": {"method": Variant("s", "manual"), "address-data": Variant("aa{sv}", [address])}}
    await add(bus, settings_for(choice, "wlan0", uuid4(), is_hidden=False, former=ipv4))
    (former,) = await profiles.profiles_for(bus, choice.ssid, "wlan0")

    again = await add(bus, settings_for(choice, "wlan0", uuid4(), is_hidden=False, former=former.settings))

    assert (await profiles.profile_at(bus, again)).settings["ipv4"] == former.settings["ipv4"]


async def test_a_volatile_profile_is_gone_when_its_activation_fails(manager: RealManager, bus: Bus) -> None:
    async with bus.listening(await states(bus), SignalMatch(ACTIVE, "StateChanged")) as signals:
        no_server = {"method": Variant("s", "auto"), "may-fail": Variant("b", False), "dhcp-timeout": Variant("i", 1)}
        _, path = await activate_wired(bus, no_server)

        assert await until(signals, NmDeviceState.FAILED) == Reason.IP_CONFIG_UNAVAILABLE
        await until(signals, NmDeviceState.DISCONNECTED)

    (paths,) = await bus.call(f"{MANAGER}/Settings", f"{NM}.Settings", "ListConnections")
    assert path not in paths
    assert manager.written() == {}


async def test_a_volatile_profile_that_is_kept_outlives_its_activation(manager: RealManager, bus: Bus) -> None:
    async with bus.listening(await states(bus)) as signals:
        address = {"address": Variant("s", "192.168.7.9"), "prefix": Variant("u", 24)}
        ipv4 = {"method": Variant("s", "manual"), "address-data": Variant("aa{sv}", [address])}
        uuid, path = await activate_wired(bus, ipv4)
        await until(signals, NmDeviceState.ACTIVATED)
        await profiles.keep(bus, path)
        await bus.call(await veth(bus), DEVICE, "Disconnect")
        await until(signals, NmDeviceState.DISCONNECTED)

    (written,) = manager.written().values()
    assert str(uuid) in written
    await profiles.forget_uuid(bus, uuid)
    assert manager.written() == {}


async def test_nmcli_sees_the_same_profile(manager: RealManager, bus: Bus) -> None:
    need("nmcli")
    choice = CHOICES[0]
    path = await add(bus, settings_for(choice, "wlan0", uuid4(), is_hidden=True, former={}))
    await profiles.keep(bus, path)

    fields = "802-11-wireless.ssid,802-11-wireless.hidden,802-11-wireless-security.key-mgmt,ipv4.may-fail"
    command = ("nmcli", "--terse", "--get-values", fields, "connection", "show", "不要上我")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={"DBUS_SYSTEM_BUS_ADDRESS": manager.address, "LC_ALL": "C.UTF-8"}
    )
    printed, _ = await process.communicate()

    assert printed.decode().split() == ["不要上我", "yes", "wpa-psk", "no"]
