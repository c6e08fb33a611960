"""§13's auth and encry for an access point's flags, and the form of ssid and passphrase: tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.model.wifi import Auth, Encryption, JoinError, JoinFailure, WifiCredentials, WifiNetwork
from gatewayd.provisioning.networkmanager.security import (
    AccessPoint,
    ApFlags,
    ApSecurityFlags,
    check_credentials,
    joinable_networks,
    security_of,
)

TKIP, CCMP = (
    ApSecurityFlags.PAIR_TKIP | ApSecurityFlags.GROUP_TKIP,
    ApSecurityFlags.PAIR_CCMP | ApSecurityFlags.GROUP_CCMP,
)
PSK, SAE, OWE, EAP = ApSecurityFlags.PSK, ApSecurityFlags.SAE, ApSecurityFlags.OWE, ApSecurityFlags.IEEE_802_1X
PRIVACY = ApFlags.PRIVACY


@pytest.mark.parametrize(
    ("flags", "wpa", "rsn", "security"),
    [
        (0, 0, 0, (Auth.OPEN, Encryption.NONE)),
        (PRIVACY, 0, 0, (Auth.OPEN, Encryption.WEP)),
        (PRIVACY, PSK | TKIP, 0, (Auth.WPAPSK, Encryption.TKIP)),
        (PRIVACY, PSK | CCMP, 0, (Auth.WPAPSK, Encryption.AES)),
        (PRIVACY, 0, PSK | CCMP, (Auth.WPA2PSK, Encryption.AES)),
        (PRIVACY, 0, PSK | ApSecurityFlags.PAIR_CCMP | TKIP, (Auth.WPA2PSK, Encryption.TKIP_AES)),
        (PRIVACY, 0, PSK | ApSecurityFlags.PAIR_CCMP | ApSecurityFlags.GROUP_TKIP, (Auth.WPA2PSK, Encryption.AES)),
        (PRIVACY, PSK | TKIP, PSK | CCMP, (Auth.WPAPSK_WPA2PSK, Encryption.TKIP_AES)),
        (PRIVACY, PSK | CCMP, PSK | CCMP, (Auth.WPAPSK_WPA2PSK, Encryption.AES)),
        (PRIVACY, 0, PSK, (Auth.WPA2PSK, Encryption.AES)),
        (PRIVACY, PSK, 0, (Auth.WPAPSK, Encryption.TKIP)),
        (PRIVACY, 0, PSK | SAE | CCMP, (Auth.WPA2PSK, Encryption.AES)),
        (PRIVACY, 0, PSK | EAP | CCMP, (Auth.WPA2PSK, Encryption.AES)),
        (PRIVACY, 0, SAE | CCMP, None),
        (PRIVACY, 0, EAP | CCMP, None),
        (PRIVACY, EAP | TKIP, EAP | CCMP, None),
        (PRIVACY, 0, OWE | CCMP, None),
        (0, 0, ApSecurityFlags.OWE_TRANSITION, (Auth.OPEN, Encryption.NONE)),
    ],
)
def test_auth_and_encry_of_an_access_points_flags(
    flags: int, wpa: int, rsn: int, security: tuple[Auth, Encryption] | None
) -> None:
    assert security_of(AccessPoint(b"x", 50, flags, wpa, rsn)) == security


def test_stronger_open_access_point_does_not_replace_the_secured_one() -> None:
    secured, impostor = AccessPoint(b"home", 20, PRIVACY, 0, PSK | CCMP), AccessPoint(b"home", 99)

    assert joinable_networks([impostor, secured]) == joinable_networks([secured, impostor])
    assert joinable_networks([impostor, secured]) == (WifiNetwork(b"home", Auth.WPA2PSK, Encryption.AES, 20),)


@given(
    st.lists(
        st.builds(
            AccessPoint,
            ssid=st.sampled_from([b"", b"\0", b"a", b"b", b"\xff"]),
            strength=st.integers(0, 255),
            flags=st.integers(0, 15),
            wpa_flags=st.integers(0, 0xFFFFFFFF),
            rsn_flags=st.integers(0, 0xFFFFFFFF),
            mode=st.integers(0, 4),
        )
    )
)
def test_each_ssid_is_listed_once_and_the_strongest_first(
    access_points: list[AccessPoint],
) -> None:
    listed = joinable_networks(access_points)

    assert len({network.ssid for network in listed}) == len(listed)
    assert [network.signal for network in listed] == sorted((n.signal for n in listed), reverse=True)
    assert all(network.ssid.strip(b"\0") and 0 <= network.signal <= 100 for network in listed)


@pytest.mark.parametrize(
    ("auth", "encryption", "passphrase"),
    [
        (Auth.OPEN, Encryption.NONE, ""),
        (Auth.OPEN, Encryption.NONE, "ignored"),
        (Auth.WPA2PSK, Encryption.AES, "a" * 8),
        (Auth.WPA2PSK, Encryption.AES, " ~" * 31 + "!"),
        (Auth.WPAPSK_WPA2PSK, Encryption.TKIP_AES, "0aF" * 21 + "f"),
        (Auth.OPEN, Encryption.WEP, "abcde"),
        (Auth.SHARED, Encryption.WEP, "a" * 13),
        (Auth.SHARED, Encryption.NONE, "0123456789"),
        (Auth.OPEN, Encryption.WEP, "ab" * 13),
    ],
)
def test_passphrase_of_the_right_form_is_accepted(auth: Auth, encryption: Encryption, passphrase: str) -> None:
    check_credentials(WifiCredentials(b"x", auth, encryption, passphrase))


@pytest.mark.parametrize(
    ("auth", "encryption", "passphrase"),
    [
        (Auth.WPA2PSK, Encryption.AES, ""),
        (Auth.WPA2PSK, Encryption.AES, "a" * 7),
        (Auth.WPA2PSK, Encryption.AES, "g" * 64),
        (Auth.WPA2PSK, Encryption.AES, "a" * 65),
        (Auth.WPA2PSK, Encryption.AES, "密码密码密码密码"),
        (Auth.WPA2PSK, Encryption.AES, "with\nnewline"),
        (Auth.WPA2PSK, Encryption.AES, "with\0nothing"),
        (Auth.WPAPSK, Encryption.NONE, "short"),
        (Auth.OPEN, Encryption.WEP, "abcdef"),
        (Auth.OPEN, Encryption.WEP, "ghijklmnop"),
        (Auth.OPEN, Encryption.AES, ""),
    ],
)
def test_passphrase_of_the_wrong_form_is_refused_without_quoting_it(
    auth: Auth, encryption: Encryption, passphrase: str
) -> None:
    with pytest.raises(JoinError) as raised:
        check_credentials(WifiCredentials(b"x", auth, encryption, passphrase))

    assert raised.value.failure is JoinFailure.BAD_PASSPHRASE
    assert not passphrase or passphrase not in str(raised.value)


@pytest.mark.parametrize("ssid", [b"", b"x" * 33])
def test_ssid_of_the_wrong_length_is_refused(ssid: bytes) -> None:
    with pytest.raises(JoinError, match="1 to 32"):
        check_credentials(WifiCredentials(ssid, Auth.OPEN, Encryption.NONE))
