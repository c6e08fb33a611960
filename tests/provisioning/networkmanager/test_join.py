"""Joining a network, against python-dbusmock's NetworkManager with the radio played (see air.py)."""

import asyncio
from ipaddress import IPv4Interface

import pytest
from dbus_fast import Variant
from structlog.testing import capture_logs

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, WifiCredentials, WifiLink
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.failure_reasons import Reason
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from tests.common.networkmanager.mock_radio import (
    ACTIVATED,
    CONFIG,
    CONNECTION,
    FAILED,
    IP_CHECK,
    IP_CONFIG,
    MANAGER,
    NEED_AUTH,
    NM,
    PREPARE,
    TO_AUTHENTICATION,
    WPA2,
    Air,
)

SSID = "不要上我"
PASSPHRASE = "correct horse battery"
CHOICE = WifiCredentials(SSID.encode(), Auth.WPA2PSK, Encryption.AES, PASSPHRASE)


async def test_a_join_ends_with_the_address_and_a_profile_that_stays(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_network(SSID.encode(), rsn=WPA2)

    link = await wifi.join(CHOICE)

    assert link == WifiLink("wlan0", SSID.encode(), IPv4Interface("192.168.7.20/24"))
    (profile,) = await air.profiles()
    assert await air.get(profile, CONNECTION, "Unsaved") is False
    assert await wifi.link() == link


async def test_networkmanager_is_given_the_network_and_its_passphrase(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_network(SSID.encode(), rsn=WPA2)

    await wifi.join(CHOICE)

    settings = await air.settings((await air.profiles())[0])
    assert bytes(settings["802-11-wireless"]["ssid"]) == SSID.encode()
    assert "hidden" not in settings["802-11-wireless"]
    assert settings["802-11-wireless-security"] == {"key-mgmt": "wpa-psk", "psk": PASSPHRASE}
    assert settings["connection"]["interface-name"] == "wlan0"


async def test_a_network_that_was_not_heard_is_joined_as_hidden(air: Air, wifi: NetworkManagerWifi) -> None:
    await wifi.join(CHOICE)

    settings = await air.settings((await air.profiles())[0])
    assert settings["802-11-wireless"]["hidden"] is True


async def test_an_open_network_of_32_odd_bytes_is_joined(air: Air, wifi: NetworkManagerWifi) -> None:
    name = bytes(range(224, 256))
    await air.add_network(name)

    link = await wifi.join(WifiCredentials(name, Auth.OPEN, Encryption.NONE))

    assert link.ssid == name
    assert "802-11-wireless-security" not in await air.settings((await air.profiles())[0])


@pytest.mark.parametrize(
    ("way", "failure"),
    [
        ((*TO_AUTHENTICATION, (FAILED, Reason.NO_SECRETS)), JoinFailure.WRONG_PASSPHRASE),
        (((PREPARE, 0), (CONFIG, 0), (FAILED, Reason.SUPPLICANT_TIMEOUT)), JoinFailure.WRONG_PASSPHRASE),
        (((PREPARE, 0), (IP_CONFIG, 0), (FAILED, Reason.IP_CONFIG_UNAVAILABLE)), JoinFailure.NO_ADDRESS),
        (((PREPARE, 0), (CONFIG, 0), (FAILED, Reason.SSID_NOT_FOUND)), JoinFailure.LOST),
        (((PREPARE, 0), (IP_CONFIG, 0), (FAILED, Reason.SUPPLICANT_DISCONNECT)), JoinFailure.LOST),
        (((PREPARE, 0), (20, Reason.NONE)), JoinFailure.UNAVAILABLE),
    ],
)
async def test_a_failed_join_says_why_and_leaves_all_as_it_was(
    air: Air, wifi: NetworkManagerWifi, way: tuple[tuple[int, int], ...], failure: JoinFailure
) -> None:
    former = await air.add_former("former")
    await air.add_network(SSID.encode(), rsn=WPA2)
    air.way = way

    with pytest.raises(JoinError) as raised:
        await wifi.join(CHOICE)

    assert raised.value.failure is failure
    assert await air.profiles() == [former]
    assert await air.joined() == former


async def test_a_network_that_is_out_of_range_is_told_apart(air: Air, wifi: NetworkManagerWifi) -> None:
    air.way = ((PREPARE, 0), (CONFIG, 0), (FAILED, Reason.SSID_NOT_FOUND))

    with pytest.raises(JoinError, match="no such network in range") as raised:
        await wifi.join(CHOICE)

    assert raised.value.failure is JoinFailure.NOT_FOUND
    assert await air.profiles() == []


async def test_a_join_without_an_outcome_is_given_up(air: Air, bus: str) -> None:
    former = await air.add_former("former")
    air.way = ((PREPARE, 0), (IP_CONFIG, 0))

    with pytest.raises(JoinError, match="no outcome") as raised:
        await NetworkManagerWifi("wlan0", address=bus, limits=JoinTimeouts(join=0.5)).join(CHOICE)

    assert raised.value.failure is JoinFailure.NO_ADDRESS
    assert await air.profiles() == [former]
    assert await air.joined() == former


async def test_a_cancelled_join_goes_back_to_the_former_network(air: Air, wifi: NetworkManagerWifi) -> None:
    former = await air.add_former("former")
    air.way = TO_AUTHENTICATION

    joining = asyncio.create_task(wifi.join(CHOICE))
    await asyncio.wait_for(air.stepped.wait(), 10)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining

    assert await air.profiles() == [former]
    assert await air.joined() == former


async def test_joining_again_replaces_the_profile_and_keeps_its_address_settings(
    air: Air, wifi: NetworkManagerWifi
) -> None:
    old = await air.add_former(SSID)
    address = {"method": Variant("s", "manual"), "dns-search": Variant("as", ["home"])}
    settings = {"ipv4": address, "connection": {"autoconnect": Variant("b", False)}}
    await air.call(old, CONNECTION, "Update", "a{sa{sv}}", settings)

    await wifi.join(CHOICE)

    (profile,) = await air.profiles()
    assert profile != old
    assert (await air.settings(profile))["ipv4"] == {"method": "manual", "dns-search": ["home"], "may-fail": False}


async def test_what_another_radio_uses_for_the_same_network_is_left_alone(air: Air, wifi: NetworkManagerWifi) -> None:
    others = await air.add_former(SSID)
    settings = {"connection": {"interface-name": Variant("s", "wlan1")}}
    await air.call(others, CONNECTION, "Update", "a{sa{sv}}", settings)

    await wifi.join(CHOICE)

    assert others in await air.profiles()
    assert len(await air.profiles()) == 2


async def test_a_join_has_succeeded_also_where_the_old_profile_may_not_be_deleted(
    air: Air, wifi: NetworkManagerWifi
) -> None:
    old = await air.add_former(SSID)
    await air.refuse(old, CONNECTION, "Delete", "", f"{NM}.Settings.PermissionDenied")

    with capture_logs() as logged:
        link = await wifi.join(CHOICE)

    assert await wifi.link() == link
    assert "former_profile_not_forgotten" in [entry["event"] for entry in logged]


async def test_a_network_is_known_as_soon_as_it_has_given_an_address(air: Air, wifi: NetworkManagerWifi) -> None:
    await air.add_former("former")
    former = WifiLink("wlan0", b"former", IPv4Interface("192.168.1.9/24"))
    for state, link in ((NEED_AUTH, None), (IP_CHECK, former), (ACTIVATED, former), (110, None)):
        await air.to_state(state, 0)
        assert await wifi.link() == link


async def test_a_wrong_passphrase_for_the_network_that_is_joined_leaves_it_joined(
    air: Air, wifi: NetworkManagerWifi
) -> None:
    old = await air.add_former(SSID)
    air.way = (*TO_AUTHENTICATION, (FAILED, Reason.NO_SECRETS))

    with pytest.raises(JoinError):
        await wifi.join(CHOICE)

    assert await air.profiles() == [old]
    assert await air.joined() == old


async def test_a_passphrase_of_the_wrong_shape_disturbs_nothing(air: Air, wifi: NetworkManagerWifi) -> None:
    with pytest.raises(JoinError, match="takes 8 to 63") as raised:
        await wifi.join(WifiCredentials(b"home", Auth.WPA2PSK, Encryption.AES, "short"))

    assert raised.value.failure is JoinFailure.BAD_PASSPHRASE
    assert not [member for member, _ in air.calls if "Activate" in member]


async def test_no_error_and_no_log_holds_the_passphrase(air: Air, wifi: NetworkManagerWifi) -> None:
    quoting = (
        f"raise dbus.exceptions.DBusException('bad psk ' + args[0]['802-11-wireless-security']['psk'], name='{NM}.X')"
    )
    signatures = ("a{sa{sv}}ooa{sv}", "ooa{sv}")
    mock = "org.freedesktop.DBus.Mock"
    await air.call(MANAGER, mock, "AddMethod", "sssss", NM, "AddAndActivateConnection2", *signatures, quoting)

    with capture_logs() as logged, pytest.raises(JoinError) as raised:
        await wifi.join(CHOICE)

    error: BaseException | None = raised.value
    assert "refuses it: org.freedesktop.NetworkManager.X" in str(error)
    while error is not None:
        assert PASSPHRASE not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert PASSPHRASE not in repr((CHOICE, logged))
