"""Wi-Fi as the provisioning room speaks of it (§13): networks in the air, a choice, a link, and why a join failed."""

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from ipaddress import IPv4Interface

from gatewayd.model.errors import GatewayError


class Auth(IntEnum):
    """§13, auth认证方式定义."""

    OPEN = 0
    SHARED = 1
    WPAPSK = 2
    WPA2PSK = 3
    WPAPSK_WPA2PSK = 4


class Encryption(IntEnum):
    """§13, Encry 加密方式定义."""

    NONE = 0
    WEP = 1
    TKIP = 2
    AES = 3
    TKIP_AES = 4


def is_wep(auth: Auth, encryption: Encryption) -> bool:
    """WEP: said by the encryption, or by SHARED, which only WEP has."""
    return auth is Auth.SHARED or (auth is Auth.OPEN and encryption is not Encryption.NONE)


def is_secured(auth: Auth, encryption: Encryption) -> bool:
    """Whether a passphrase has a part in joining; OPEN alone does not say that it has none."""
    return auth is not Auth.OPEN or is_wep(auth, encryption)


@dataclass(frozen=True, slots=True)
class WifiNetwork:
    """A network that can be heard and joined. `ssid` is what the air carries: up to 32 bytes of any encoding."""

    ssid: bytes
    auth: Auth
    encryption: Encryption
    signal: int  # per cent, 0 … 100


@dataclass(frozen=True, slots=True)
class WifiCredentials:
    """The network to join. One that was not heard is taken to be hidden."""

    ssid: bytes
    auth: Auth
    encryption: Encryption
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WifiLink:
    """A network joined: over which interface, and the address that it gave."""

    interface: str
    ssid: bytes
    address: IPv4Interface


class JoinFailure(Enum):
    """Why a join failed, told apart in the log; the phone hears 400515 for each (§13.5)."""

    NOT_FOUND = "no such network in range"
    WRONG_PASSPHRASE = "the passphrase is wrong"  # noqa: S105  (a reason)
    BAD_PASSPHRASE = "the passphrase cannot be one of such a network"  # noqa: S105  (a reason)
    NO_ADDRESS = "the network gave no address"
    LOST = "the network went away while joining"
    UNAVAILABLE = "Wi-Fi cannot be used on this board now"


class ScanError(GatewayError):
    """The networks could not be listed; the phone hears 400514 (§13.3)."""


class JoinError(GatewayError):
    """A join failed, and the network of before is back where there was one. Holds no secret."""

    def __init__(self, message: str, failure: JoinFailure) -> None:
        super().__init__(message)
        self.failure = failure
