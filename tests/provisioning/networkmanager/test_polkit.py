"""systemd/gatewayd.polkit.rules with a real polkit and a real NetworkManager, under the system's bus policy."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from dbus_fast import Variant

from gatewayd.model.wifi import Auth, Encryption, WifiCredentials
from gatewayd.provisioning.networkmanager import profiles
from gatewayd.provisioning.networkmanager.bus import NM, BusError, open_bus
from gatewayd.provisioning.networkmanager.objects import MANAGER, NmDeviceState
from gatewayd.provisioning.networkmanager.security import settings_for
from tests.common.networkmanager.guarded_manager import as_user, guarded_network_manager
from tests.common.networkmanager.real_manager import RealManager
from tests.common.networkmanager.wired import activate_wired, add, states, until, veth

CREDENTIALS = WifiCredentials(b"home", Auth.WPA2PSK, Encryption.AES, "correct horse battery")


@pytest.fixture
async def guarded(socket_folder: Path) -> AsyncIterator[RealManager]:
    async with guarded_network_manager(socket_folder) as manager:
        yield manager


async def test_service_user_has_three_permissions(guarded: RealManager) -> None:
    with as_user("gatewayd"):
        async with open_bus(guarded.address, timeout_s=10) as bus:
            (permissions,) = await bus.call(MANAGER, NM, "GetPermissions")

    assert {name.removeprefix(f"{NM}.") for name, answer in permissions.items() if answer == "yes"} == {
        "wifi.scan",
        "network-control",
        "settings.modify.system",
    }


async def test_service_user_may_make_every_call_of_a_join(guarded: RealManager) -> None:
    address = {"address": Variant("s", "192.168.7.9"), "prefix": Variant("u", 24)}
    ipv4 = {"method": Variant("s", "manual"), "address-data": Variant("aa{sv}", [address])}
    with as_user("gatewayd"):
        async with (
            open_bus(guarded.address, timeout_s=10) as bus,
            bus.subscribed(await states(bus)) as signals,
        ):
            uuid, path = await activate_wired(bus, ipv4)
            await until(signals, NmDeviceState.ACTIVATED)
            await profiles.save(bus, path)
            await bus.call(MANAGER, NM, "ActivateConnection", "ooo", path, await veth(bus), "/")
            await until(signals, NmDeviceState.ACTIVATED)
    assert str(uuid) in "".join(guarded.stored_profiles().values())

    with as_user("gatewayd"):
        async with open_bus(guarded.address, timeout_s=10) as bus:
            await profiles.delete_by_uuid(bus, uuid)
    assert guarded.stored_profiles() == {}


async def test_profile_private_to_another_user_is_skipped(guarded: RealManager) -> None:
    private = settings_for(CREDENTIALS, "wlan0", uuid4(), is_hidden=False, former={})
    private["connection"]["permissions"] = Variant("as", ["user:visitor:"])
    async with open_bus(guarded.address, timeout_s=10) as bus:
        await add(bus, private)

    with as_user("gatewayd"):
        async with open_bus(guarded.address, timeout_s=10) as bus:
            path = await add(bus, settings_for(CREDENTIALS, "wlan0", uuid4(), is_hidden=False, former={}))
            assert [profile.path for profile in await profiles.profiles_for(bus, CREDENTIALS.ssid, "wlan0")] == [path]


async def test_other_user_is_denied_with_a_hint_at_the_rule(guarded: RealManager) -> None:
    with as_user("visitor"):
        async with open_bus(guarded.address, timeout_s=10) as bus:
            with pytest.raises(BusError, match="is the polkit rule installed"):
                await add(bus, settings_for(CREDENTIALS, "wlan0", uuid4(), is_hidden=False, former={}))

    assert guarded.stored_profiles() == {}
