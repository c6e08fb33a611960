"""§13's words for Wi-Fi security: from what an access point says of itself, and into NetworkManager's settings.

Pure. What each flag means is NetworkManager's NM80211ApFlags and NM80211ApSecurityFlags.
"""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from string import hexdigits
from typing import Final
from uuid import UUID

import msgspec
from dbus_fast import Variant

from gatewayd.model.wifi import (
    Auth,
    Encryption,
    JoinError,
    JoinFailure,
    WifiCredentials,
    WifiNetwork,
    is_secured,
    is_wep,
)

Settings = dict[str, dict[str, Variant]]
"""A connection's settings as they travel: setting → property → value (a{sa{sv}})."""


class ApFlags(IntFlag):
    """NM80211ApFlags, as far as it is asked for."""

    PRIVACY = 0x1


class Security(IntFlag):
    """NM80211ApSecurityFlags: what the WPA or the RSN element of a beacon offers."""

    PAIR_TKIP = 0x4
    PAIR_CCMP = 0x8
    GROUP_TKIP = 0x40
    GROUP_CCMP = 0x80
    PSK = 0x100
    IEEE_802_1X = 0x200
    SAE = 0x400
    OWE = 0x800
    OWE_TRANSITION = 0x1000


INFRASTRUCTURE: Final = 2  # NM80211Mode; peers and hotspots of our own are not to be joined


class AccessPointSecurity(msgspec.Struct, frozen=True, rename="pascal"):
    """org.freedesktop.NetworkManager.AccessPoint, as far as it is read here."""

    ssid: bytes
    strength: int
    flags: int = 0
    wpa_flags: int = 0
    rsn_flags: int = 0
    mode: int = INFRASTRUCTURE


def security_of(access_point: AccessPointSecurity) -> tuple[Auth, Encryption] | None:
    """§13's pair of words; None where §13 has none: WPA3 without WPA2, enterprise, OWE without an open twin."""
    wpa, rsn = Security(access_point.wpa_flags), Security(access_point.rsn_flags)
    match bool(wpa & Security.PSK), bool(rsn & Security.PSK):
        case True, True:
            return Auth.WPAPSK_WPA2PSK, _cipher(wpa | rsn, Encryption.TKIP_AES)
        case False, True:
            return Auth.WPA2PSK, _cipher(rsn, Encryption.AES)
        case True, False:
            return Auth.WPAPSK, _cipher(wpa, Encryption.TKIP)
    if (wpa | rsn) & ~Security.OWE_TRANSITION:
        return None
    # A beacon does not say which of WEP's two authentications it takes; open is what nearly all do.
    return Auth.OPEN, Encryption.WEP if access_point.flags & ApFlags.PRIVACY else Encryption.NONE


def _cipher(security: Security, unsaid: Encryption) -> Encryption:
    match bool(security & Security.PAIR_TKIP), bool(security & Security.PAIR_CCMP):
        case True, True:
            return Encryption.TKIP_AES
        case True, False:
            return Encryption.TKIP
        case False, True:
            return Encryption.AES
    return unsaid


def networks(access_points: Iterable[AccessPointSecurity]) -> tuple[WifiNetwork, ...]:
    """What can be joined, strongest first, each ssid once.

    Of several with one name the safest kind counts, so that a louder open twin cannot stand in for the real one.
    """
    best: dict[bytes, WifiNetwork] = {}
    for access_point in access_points:
        network = _network(access_point)
        if network is not None and _rank(network) > _rank(best.get(network.ssid)):
            best[network.ssid] = network
    return tuple(sorted(best.values(), key=lambda network: (-network.signal, network.ssid)))


def _network(access_point: AccessPointSecurity) -> WifiNetwork | None:
    is_hidden = not access_point.ssid.strip(b"\0")
    security = security_of(access_point)
    if is_hidden or access_point.mode != INFRASTRUCTURE or security is None:
        return None
    return WifiNetwork(access_point.ssid, *security, min(access_point.strength, 100))


_SAFEST_LAST: Final = (
    (Auth.OPEN, False),
    (Auth.OPEN, True),
    (Auth.WPAPSK, True),
    (Auth.WPAPSK_WPA2PSK, True),
    (Auth.WPA2PSK, True),
)


def _rank(network: WifiNetwork | None) -> tuple[int, int]:
    if network is None:
        return (-1, -1)
    return (_SAFEST_LAST.index((network.auth, network.encryption is not Encryption.NONE)), network.signal)


def check_choice(choice: WifiCredentials) -> None:
    """Refuse what no radio could join, before anything is disturbed for it. Raises JoinError(BAD_PASSPHRASE)."""
    if not 1 <= len(choice.ssid) <= 32:
        raise JoinError(f"ssid of {len(choice.ssid)} bytes: a network's name has 1 to 32", JoinFailure.NOT_FOUND)
    if not is_secured(choice.auth, choice.encryption):
        return
    if is_wep(choice.auth, choice.encryption):
        fits, wanted = _is_wep_key(choice.passphrase), "5 or 13 characters, or 10 or 26 hexadecimal digits"
    else:
        fits, wanted = _is_psk(choice.passphrase), "8 to 63 printable ASCII characters, or 64 hexadecimal digits"
    if not fits:
        raise JoinError(
            f"passphrase of {len(choice.passphrase)} characters for {choice.auth.name} {choice.encryption.name}: "
            f"takes {wanted}",
            JoinFailure.BAD_PASSPHRASE,
        )


def _is_psk(text: str) -> bool:
    return (8 <= len(text) <= 63 and _is_printable(text)) or (len(text) == 64 and _is_hex(text))


def _is_wep_key(text: str) -> bool:
    return (len(text) in {5, 13} and _is_printable(text)) or (len(text) in {10, 26} and _is_hex(text))


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_hex(text: str) -> bool:
    return set(text) <= set(hexdigits)


def settings_for(
    choice: WifiCredentials, interface: str, uuid: UUID, *, is_hidden: bool, former: Mapping[str, Mapping[str, Variant]]
) -> Settings:
    """The connection to activate. Of a `former` profile of the same network its address settings are taken over."""
    wireless = {"ssid": Variant("ay", choice.ssid), "mode": Variant("s", "infrastructure")}
    if is_hidden:
        wireless["hidden"] = Variant("b", True)
    settings: Settings = {
        "connection": {
            "id": Variant("s", choice.ssid.decode("utf-8", "replace").replace("\0", "")),
            "uuid": Variant("s", str(uuid)),
            "type": Variant("s", "802-11-wireless"),
            "interface-name": Variant("s", interface),
        },
        "802-11-wireless": wireless,
        # The join has succeeded when there is an IPv4 address, not when there is IPv6 alone.
        "ipv4": {"method": Variant("s", "auto"), **former.get("ipv4", {}), "may-fail": Variant("b", False)},
        "ipv6": {"method": Variant("s", "auto"), **former.get("ipv6", {})},
    }
    if is_secured(choice.auth, choice.encryption):
        settings["802-11-wireless-security"] = _security(choice)
    return settings


def _security(choice: WifiCredentials) -> dict[str, Variant]:
    if is_wep(choice.auth, choice.encryption):
        return {
            "key-mgmt": Variant("s", "none"),
            "auth-alg": Variant("s", "shared" if choice.auth is Auth.SHARED else "open"),
            "wep-key0": Variant("s", choice.passphrase),
            "wep-key-type": Variant("u", 1),  # the key itself, in hex or ASCII
        }
    # WPA or WPA2, TKIP or AES is left to the two radios: a phone's choice may be older than the access point.
    return {"key-mgmt": Variant("s", "wpa-psk"), "psk": Variant("s", choice.passphrase)}
