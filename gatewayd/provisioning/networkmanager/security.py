"""Wi-Fi security: from an access point's flags to §13's auth and encry, and from there to NetworkManager's settings.

Pure. Reading the flags and using the settings is left to `objects` and `join`.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum, IntFlag
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
from gatewayd.provisioning.ssid import MAX_SSID_BYTES

Settings = dict[str, dict[str, Variant]]
"""A profile's settings as D-Bus carries them (a{sa{sv}}): setting → property → value."""


class ApFlags(IntFlag):
    """NM80211ApFlags, the one that is used."""

    PRIVACY = 0x1


class ApSecurityFlags(IntFlag):
    """NM80211ApSecurityFlags: what the WPA or the RSN element of a beacon offers, without the WEP ciphers."""

    PAIR_TKIP = 0x4
    PAIR_CCMP = 0x8
    GROUP_TKIP = 0x40
    GROUP_CCMP = 0x80
    PSK = 0x100
    IEEE_802_1X = 0x200
    SAE = 0x400
    OWE = 0x800
    OWE_TRANSITION = 0x1000


class ApMode(IntEnum):
    """NM80211Mode, the one that is used: an access point, rather than an ad-hoc peer or a hotspot of this machine."""

    INFRASTRUCTURE = 2


class _WepKeyType(IntEnum):
    """NMWepKeyType, the one that is used: the key itself in hex or ASCII, rather than a passphrase to hash."""

    KEY = 1


class AccessPoint(msgspec.Struct, frozen=True, rename="pascal"):
    """The properties of org.freedesktop.NetworkManager.AccessPoint that are used."""

    ssid: bytes
    strength: int  # per cent
    flags: int = 0
    wpa_flags: int = 0
    rsn_flags: int = 0
    mode: int = ApMode.INFRASTRUCTURE


def security_of(access_point: AccessPoint) -> tuple[Auth, Encryption] | None:
    """§13's auth and encry; None where it has no value: WPA3 without WPA2, enterprise, OWE without an open network."""
    wpa, rsn = ApSecurityFlags(access_point.wpa_flags), ApSecurityFlags(access_point.rsn_flags)
    match bool(wpa & ApSecurityFlags.PSK), bool(rsn & ApSecurityFlags.PSK):
        case True, True:
            return Auth.WPAPSK_WPA2PSK, _cipher(wpa | rsn, Encryption.TKIP_AES)
        case False, True:
            return Auth.WPA2PSK, _cipher(rsn, Encryption.AES)
        case True, False:
            return Auth.WPAPSK, _cipher(wpa, Encryption.TKIP)
    if (wpa | rsn) & ~ApSecurityFlags.OWE_TRANSITION:
        return None
    # A beacon does not state which of WEP's two authentications is used; nearly all networks use OPEN.
    return Auth.OPEN, Encryption.WEP if access_point.flags & ApFlags.PRIVACY else Encryption.NONE


def _cipher(security: ApSecurityFlags, default: Encryption) -> Encryption:
    match bool(security & ApSecurityFlags.PAIR_TKIP), bool(security & ApSecurityFlags.PAIR_CCMP):
        case True, True:
            return Encryption.TKIP_AES
        case True, False:
            return Encryption.TKIP
        case False, True:
            return Encryption.AES
    return default


def joinable_networks(access_points: Iterable[AccessPoint]) -> tuple[WifiNetwork, ...]:
    """The networks that can be joined, strongest first, each ssid once.

    Of access points with one ssid the best secured counts, so that a stronger open one cannot impersonate the network.
    """
    best: dict[bytes, WifiNetwork] = {}
    for access_point in access_points:
        network = _network(access_point)
        if network is not None and _rank(network) > _rank(best.get(network.ssid)):
            best[network.ssid] = network
    return tuple(sorted(best.values(), key=lambda network: (-network.signal, network.ssid)))


def _network(access_point: AccessPoint) -> WifiNetwork | None:
    is_name_hidden = not access_point.ssid.strip(b"\0")
    security = security_of(access_point)
    if is_name_hidden or access_point.mode != ApMode.INFRASTRUCTURE or security is None:
        return None
    return WifiNetwork(access_point.ssid, *security, min(access_point.strength, 100))


_BEST_SECURED_LAST: Final = (
    (Auth.OPEN, False),
    (Auth.OPEN, True),
    (Auth.WPAPSK, True),
    (Auth.WPAPSK_WPA2PSK, True),
    (Auth.WPA2PSK, True),
)


def _rank(network: WifiNetwork | None) -> tuple[int, int]:
    if network is None:
        return (-1, -1)
    return (_BEST_SECURED_LAST.index((network.auth, network.encryption is not Encryption.NONE)), network.signal)


def check_credentials(credentials: WifiCredentials) -> None:
    """Check ssid and passphrase before the radio leaves its network for them.

    Raises JoinError: NOT_FOUND for an ssid of the wrong length, BAD_PASSPHRASE for a passphrase of the wrong form.
    """
    ssid, passphrase = credentials.ssid, credentials.passphrase
    if not 1 <= len(ssid) <= MAX_SSID_BYTES:
        reason = f"ssid of {len(ssid)} bytes: a network's name has 1 to {MAX_SSID_BYTES}"
        raise JoinError(reason, JoinFailure.NOT_FOUND)
    if not is_secured(credentials.auth, credentials.encryption):
        return
    if is_wep(credentials.auth, credentials.encryption):
        is_valid, form = _is_wep_key(passphrase), "5 or 13 characters, or 10 or 26 hexadecimal digits"
    else:
        is_valid, form = _is_psk(passphrase), "8 to 63 printable ASCII characters, or 64 hexadecimal digits"
    if not is_valid:
        kind = f"{credentials.auth.name} {credentials.encryption.name}"
        reason = f"passphrase of {len(passphrase)} characters for {kind}: takes {form}"
        raise JoinError(reason, JoinFailure.BAD_PASSPHRASE)


def _is_psk(text: str) -> bool:
    return (8 <= len(text) <= 63 and _is_printable(text)) or (len(text) == 64 and _is_hex(text))


def _is_wep_key(text: str) -> bool:
    return (len(text) in {5, 13} and _is_printable(text)) or (len(text) in {10, 26} and _is_hex(text))


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_hex(text: str) -> bool:
    return set(text) <= set(hexdigits)


def settings_for(
    credentials: WifiCredentials,
    interface: str,
    uuid: UUID,
    *,
    is_hidden: bool,
    former: Mapping[str, Mapping[str, Variant]],
) -> Settings:
    """The settings of a new profile named `uuid`; IP settings are taken over from the `former` profile's settings."""
    wireless = {"ssid": Variant("ay", credentials.ssid), "mode": Variant("s", "infrastructure")}
    if is_hidden:
        wireless["hidden"] = Variant("b", True)
    settings: Settings = {
        "connection": {
            "id": Variant("s", credentials.ssid.decode("utf-8", "replace").replace("\0", "")),
            "uuid": Variant("s", str(uuid)),
            "type": Variant("s", "802-11-wireless"),
            "interface-name": Variant("s", interface),
        },
        "802-11-wireless": wireless,
        # `may-fail` is False because a join needs an IPv4 address; IPv6 alone is not enough.
        "ipv4": {"method": Variant("s", "auto"), **former.get("ipv4", {}), "may-fail": Variant("b", False)},
        "ipv6": {"method": Variant("s", "auto"), **former.get("ipv6", {})},
    }
    if is_secured(credentials.auth, credentials.encryption):
        settings["802-11-wireless-security"] = _security(credentials)
    return settings


def _security(credentials: WifiCredentials) -> dict[str, Variant]:
    if is_wep(credentials.auth, credentials.encryption):
        return {
            "key-mgmt": Variant("s", "none"),
            "auth-alg": Variant("s", "shared" if credentials.auth is Auth.SHARED else "open"),
            "wep-key0": Variant("s", credentials.passphrase),
            "wep-key-type": Variant("u", int(_WepKeyType.KEY)),
        }
    # Whether WPA or WPA2, TKIP or AES, the radios negotiate: what the phone names may be out of date.
    return {"key-mgmt": Variant("s", "wpa-psk"), "psk": Variant("s", credentials.passphrase)}
