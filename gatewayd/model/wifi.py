"""Wi-Fi in the terms of §13: what a scan finds, what a join takes and yields, and why one fails.

How text and bytes of an ssid correspond is left to `provisioning.ssid`; NetworkManager's terms to its own package.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from ipaddress import IPv4Interface

from gatewayd.model.errors import GatewayError


class Auth(IntEnum):
    """`auth` in §13 (auth认证方式定义)."""

    OPEN = 0
    SHARED = 1
    WPAPSK = 2
    WPA2PSK = 3
    WPAPSK_WPA2PSK = 4


class Encryption(IntEnum):
    """`encry` in §13 (Encry 加密方式定义)."""

    NONE = 0
    WEP = 1
    TKIP = 2
    AES = 3
    TKIP_AES = 4


def is_wep(auth: Auth, encryption: Encryption) -> bool:
    """True for WEP: SHARED is always WEP, OPEN is WEP wherever it is encrypted."""
    return auth is Auth.SHARED or (auth is Auth.OPEN and encryption is not Encryption.NONE)


def is_secured(auth: Auth, encryption: Encryption) -> bool:
    """True where joining takes a passphrase. OPEN with an encryption is WEP and takes one, too."""
    return auth is not Auth.OPEN or is_wep(auth, encryption)


@dataclass(frozen=True, slots=True)
class WifiNetwork:
    """A network in range that can be joined. `ssid`: 1 to 32 bytes in any encoding, as the access point sends them."""

    ssid: bytes
    auth: Auth
    encryption: Encryption
    signal: int  # per cent, 0 … 100


@dataclass(frozen=True, slots=True)
class WifiCredentials:
    """The network to join, and its passphrase. A network that no scan found is joined as a hidden one."""

    ssid: bytes
    auth: Auth
    encryption: Encryption
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WifiLink:
    """The network that `interface` is connected to, and the IPv4 address that the network assigned."""

    interface: str
    ssid: bytes
    address: IPv4Interface


class JoinFailure(Enum):
    """Why a join failed. The log and the extension `desc` name the reason; the status is 400515 for each (§13.5)."""

    NOT_FOUND = "no such network in range"
    WRONG_PASSPHRASE = "the passphrase is wrong"  # noqa: S105  (a reason)
    BAD_PASSPHRASE = "the passphrase cannot be one of such a network"  # noqa: S105  (a reason)
    NO_ADDRESS = "the network gave no address"
    LOST = "the network went away while joining"
    UNAVAILABLE = "Wi-Fi cannot be used on this board now"


class ScanError(GatewayError):
    """No list of networks could be made; the phone is sent 400514 (§13.3)."""


class JoinError(GatewayError):
    """A join failed; the former network, if any, is connected again. The message contains no secret."""

    def __init__(self, message: str, failure: JoinFailure) -> None:
        super().__init__(message)
        self.failure = failure
