"""Joining a network, against python-dbusmock's NetworkManager with a simulated radio (see mock_radio.py)."""

import asyncio
from ipaddress import IPv4Interface

import pytest
from dbus_fast import Variant
from structlog.testing import capture_logs

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, WifiCredentials, WifiLink
from gatewayd.provisioning.networkmanager.backend import NetworkManagerWifi
from gatewayd.provisioning.networkmanager.failure_reasons import NmDeviceStateReason
from gatewayd.provisioning.networkmanager.limits import JoinTimeouts
from gatewayd.provisioning.networkmanager.objects import NmDeviceState
from tests.common.networkmanager.mock_radio import (
    ACTIVATED,
    CONFIG,
    CONNECTION,
    DEACTIVATING,
    FAILED,
    IP_CHECK,
    IP_CONFIG,
    MANAGER,
    NEED_AUTH,
    NM,
    PREPARE,
    TO_AUTHENTICATION,
    WPA2,
    MockRadio,
)

SSID = "不要上我"
PASSPHRASE = "correct horse battery"
CREDENTIALS = WifiCredentials(SSID.encode(), Auth.WPA2PSK, Encryption.AES, PASSPHRASE)


async def test_join_yields_an_address_and_a_saved_profile(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(SSID.encode(), rsn=WPA2)

    link = await wifi.join(CREDENTIALS)

    assert link == WifiLink("wlan0", SSID.encode(), IPv4Interface("192.168.7.20/24"))
    (profile,) = await radio.profiles()
    assert await radio.get(profile, CONNECTION, "Unsaved") is False
    assert await wifi.link() == link


async def test_profile_contains_the_network_and_its_passphrase(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await radio.add_network(SSID.encode(), rsn=WPA2)

    await wifi.join(CREDENTIALS)

    settings = await radio.settings((await radio.profiles())[0])
    assert bytes(settings["802-11-wireless"]["ssid"]) == SSID.encode()
    assert "hidden" not in settings["802-11-wireless"]
    assert settings["802-11-wireless-security"] == {"key-mgmt": "wpa-psk", "psk": PASSPHRASE}
    assert settings["connection"]["interface-name"] == "wlan0"


async def test_network_out_of_range_is_joined_as_hidden(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await wifi.join(CREDENTIALS)

    settings = await radio.settings((await radio.profiles())[0])
    assert settings["802-11-wireless"]["hidden"] is True


async def test_open_network_with_arbitrary_bytes_as_ssid_is_joined(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    name = bytes(range(224, 256))
    await radio.add_network(name)

    link = await wifi.join(WifiCredentials(name, Auth.OPEN, Encryption.NONE))

    assert link.ssid == name
    assert "802-11-wireless-security" not in await radio.settings((await radio.profiles())[0])


@pytest.mark.parametrize(
    ("states", "failure"),
    [
        ((*TO_AUTHENTICATION, (FAILED, NmDeviceStateReason.NO_SECRETS)), JoinFailure.WRONG_PASSPHRASE),
        (((PREPARE, 0), (CONFIG, 0), (FAILED, NmDeviceStateReason.SUPPLICANT_TIMEOUT)), JoinFailure.WRONG_PASSPHRASE),
        (((PREPARE, 0), (IP_CONFIG, 0), (FAILED, NmDeviceStateReason.IP_CONFIG_UNAVAILABLE)), JoinFailure.NO_ADDRESS),
        (((PREPARE, 0), (CONFIG, 0), (FAILED, NmDeviceStateReason.SSID_NOT_FOUND)), JoinFailure.LOST),
        (((PREPARE, 0), (IP_CONFIG, 0), (FAILED, NmDeviceStateReason.SUPPLICANT_DISCONNECT)), JoinFailure.LOST),
        (((PREPARE, 0), (NmDeviceState.UNAVAILABLE, NmDeviceStateReason.NONE)), JoinFailure.UNAVAILABLE),
    ],
)
async def test_failed_join_has_a_reason_and_restores_the_former_network(
    radio: MockRadio, wifi: NetworkManagerWifi, states: tuple[tuple[int, int], ...], failure: JoinFailure
) -> None:
    former = await radio.add_former("former")
    await radio.add_network(SSID.encode(), rsn=WPA2)
    radio.activation_states = states

    with pytest.raises(JoinError) as raised:
        await wifi.join(CREDENTIALS)

    assert raised.value.failure is failure
    assert await radio.profiles() == [former]
    assert await radio.active_profile() == former


async def test_join_of_network_out_of_range_fails_with_not_found(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    radio.activation_states = ((PREPARE, 0), (CONFIG, 0), (FAILED, NmDeviceStateReason.SSID_NOT_FOUND))

    with pytest.raises(JoinError, match="no such network in range") as raised:
        await wifi.join(CREDENTIALS)

    assert raised.value.failure is JoinFailure.NOT_FOUND
    assert await radio.profiles() == []


async def test_join_without_outcome_fails_after_the_timeout(radio: MockRadio, bus: str) -> None:
    former = await radio.add_former("former")
    radio.activation_states = ((PREPARE, 0), (IP_CONFIG, 0))

    with pytest.raises(JoinError, match="no outcome") as raised:
        await NetworkManagerWifi("wlan0", address=bus, limits=JoinTimeouts(join=0.5)).join(CREDENTIALS)

    assert raised.value.failure is JoinFailure.NO_ADDRESS
    assert await radio.profiles() == [former]
    assert await radio.active_profile() == former


async def test_cancelled_join_restores_the_former_network(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    former = await radio.add_former("former")
    radio.activation_states = TO_AUTHENTICATION

    joining = asyncio.create_task(wifi.join(CREDENTIALS))
    await asyncio.wait_for(radio.activation_ended.wait(), 10)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining

    assert await radio.profiles() == [former]
    assert await radio.active_profile() == former


async def test_new_profile_replaces_the_old_one_and_takes_over_its_ip_settings(
    radio: MockRadio, wifi: NetworkManagerWifi
) -> None:
    old = await radio.add_former(SSID)
    address = {"method": Variant("s", "manual"), "dns-search": Variant("as", ["home"])}
    settings = {"ipv4": address, "connection": {"autoconnect": Variant("b", False)}}
    await radio.call(old, CONNECTION, "Update", "a{sa{sv}}", settings)

    await wifi.join(CREDENTIALS)

    (profile,) = await radio.profiles()
    assert profile != old
    assert (await radio.settings(profile))["ipv4"] == {"method": "manual", "dns-search": ["home"], "may-fail": False}


async def test_profile_of_another_radio_is_not_deleted(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    others = await radio.add_former(SSID)
    settings = {"connection": {"interface-name": Variant("s", "wlan1")}}
    await radio.call(others, CONNECTION, "Update", "a{sa{sv}}", settings)

    await wifi.join(CREDENTIALS)

    assert others in await radio.profiles()
    assert len(await radio.profiles()) == 2


async def test_join_succeeds_where_deleting_the_old_profile_is_denied(
    radio: MockRadio, wifi: NetworkManagerWifi
) -> None:
    old = await radio.add_former(SSID)
    await radio.refuse(old, CONNECTION, "Delete", "", f"{NM}.Settings.PermissionDenied")

    with capture_logs() as logged:
        link = await wifi.join(CREDENTIALS)

    assert await wifi.link() == link
    assert "former_profile_not_deleted" in [entry["event"] for entry in logged]


async def test_link_is_known_as_soon_as_there_is_an_address(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    await radio.add_former("former")
    former = WifiLink("wlan0", b"former", IPv4Interface("192.168.1.9/24"))
    for state, link in ((NEED_AUTH, None), (IP_CHECK, former), (ACTIVATED, former), (DEACTIVATING, None)):
        await radio.to_state(state, 0)
        assert await wifi.link() == link


async def test_wrong_passphrase_for_the_joined_network_leaves_it_joined(
    radio: MockRadio, wifi: NetworkManagerWifi
) -> None:
    old = await radio.add_former(SSID)
    radio.activation_states = (*TO_AUTHENTICATION, (FAILED, NmDeviceStateReason.NO_SECRETS))

    with pytest.raises(JoinError):
        await wifi.join(CREDENTIALS)

    assert await radio.profiles() == [old]
    assert await radio.active_profile() == old


async def test_passphrase_of_the_wrong_form_activates_nothing(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    with pytest.raises(JoinError, match="takes 8 to 63") as raised:
        await wifi.join(WifiCredentials(b"home", Auth.WPA2PSK, Encryption.AES, "short"))

    assert raised.value.failure is JoinFailure.BAD_PASSPHRASE
    assert not [member for member, _ in radio.calls if "Activate" in member]


async def test_passphrase_is_in_no_error_and_no_log(radio: MockRadio, wifi: NetworkManagerWifi) -> None:
    quoting = (
        f"raise dbus.exceptions.DBusException('bad psk ' + args[0]['802-11-wireless-security']['psk'], name='{NM}.X')"
    )
    signatures = ("a{sa{sv}}ooa{sv}", "ooa{sv}")
    mock = "org.freedesktop.DBus.Mock"
    await radio.call(MANAGER, mock, "AddMethod", "sssss", NM, "AddAndActivateConnection2", *signatures, quoting)

    with capture_logs() as logged, pytest.raises(JoinError) as raised:
        await wifi.join(CREDENTIALS)

    error: BaseException | None = raised.value
    assert "refuses it: org.freedesktop.NetworkManager.X" in str(error)
    while error is not None:
        assert PASSPHRASE not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert PASSPHRASE not in repr((CREDENTIALS, logged))
