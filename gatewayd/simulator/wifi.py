"""A simulated Wi-Fi radio and the access points around it, with faults: stands in for NetworkManager in `provisioning`.

Fits provisioning's Protocol by its shape. A scan and a join really wait, so that they can be cancelled in the middle.
"""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Interface
from typing import Final

from gatewayd.model.wifi import (
    Auth,
    Encryption,
    JoinError,
    JoinFailure,
    ScanError,
    WifiCredentials,
    WifiLink,
    WifiNetwork,
    is_secured,
    is_wep,
)


class WifiFault(Enum):
    """What an access point does wrong during a join."""

    NONE = "none"
    NO_ADDRESS = "its DHCP server does not answer"
    VANISHES = "it is switched off during the join"


@dataclass(frozen=True, slots=True)
class SimulatedAccessPoint:
    """An access point in range."""

    ssid: bytes
    auth: Auth = Auth.WPA2PSK
    encryption: Encryption = Encryption.AES
    passphrase: str = field(default="", repr=False)
    signal: int = 60  # per cent
    hidden: bool = False
    wpa3_only: bool = False
    fault: WifiFault = WifiFault.NONE
    address: str = "192.168.43.20/24"

    @property
    def is_listed(self) -> bool:
        """True where a scan lists it: neither hidden nor WPA3 only, which §13 has no number for."""
        return not self.hidden and not self.wpa3_only


DEFAULT_ACCESS_POINTS: Final = (
    SimulatedAccessPoint("不要上我".encode(), passphrase="nopass-nopass", signal=88),  # noqa: S106
    SimulatedAccessPoint(b"cafe", Auth.OPEN, Encryption.NONE, signal=71),
    SimulatedAccessPoint("老网络".encode("gb18030"), Auth.WPAPSK, Encryption.TKIP, "old-but-gold", 64),
    SimulatedAccessPoint(b"\xff\xfe\x80router", passphrase="bytes-are-bytes", signal=55),  # noqa: S106
    SimulatedAccessPoint("三十二个字节的网络名ab".encode(), Auth.WPAPSK_WPA2PSK, Encryption.TKIP_AES, "thirty-two", 48),
    SimulatedAccessPoint(b"museum", Auth.SHARED, Encryption.WEP, "abcde", 40),
    SimulatedAccessPoint(b"attic", Auth.OPEN, Encryption.WEP, "fghij", 33),
    SimulatedAccessPoint(b"secret-garden", passphrase="nobody-sees-me", signal=80, hidden=True),  # noqa: S106
    SimulatedAccessPoint(b"tomorrow", passphrase="sae-sae-sae", signal=90, wpa3_only=True),  # noqa: S106
)
"""One of each kind: every security, names in two encodings and in none, a hidden one, one with WPA3 only."""


class SimulatedWifi:
    """A radio with these access points in range. A scan takes `scan_s`, a join `join_s` seconds."""

    def __init__(
        self,
        access_points: tuple[SimulatedAccessPoint, ...] = DEFAULT_ACCESS_POINTS,
        *,
        interface: str = "wlan0",
        scan_s: float = 0.0,
        join_s: float = 0.0,
        joined: SimulatedAccessPoint | None = None,
    ) -> None:
        self.access_points = access_points
        self.interface = interface
        self.scan_s = scan_s
        self.join_s = join_s
        self.scan_fails = False
        self.scans = 0
        self.joins = 0
        self._joined = joined

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """The networks in range, strongest first, each ssid once. Raises ScanError while `scan_fails`."""
        self.scans += 1
        await asyncio.sleep(self.scan_s)
        if self.scan_fails:
            raise ScanError("the simulated scan failed")
        networks: dict[bytes, WifiNetwork] = {}
        for point in sorted(self.access_points, key=lambda point: -point.signal):
            if point.is_listed:
                network = WifiNetwork(point.ssid, point.auth, point.encryption, point.signal)
                networks.setdefault(point.ssid, network)
        return tuple(networks.values())

    async def join(self, choice: WifiCredentials) -> WifiLink:
        """Join a network. Raises JoinError; then, and when cancelled, the former network is back."""
        self.joins += 1
        former, self._joined = self._joined, None
        try:
            point = self._find(choice)
            await self.associate()
            self._apply_fault(point)
        except BaseException:
            self._joined = former
            raise
        self._joined = point
        return self._link(point)

    async def link(self) -> WifiLink | None:
        """The present link; None where no network is joined."""
        return None if self._joined is None else self._link(self._joined)

    def remove_access_point(self, ssid: bytes) -> None:
        """Switch the access points of that name off."""
        self.access_points = tuple(point for point in self.access_points if point.ssid != ssid)

    def add_access_point(self, point: SimulatedAccessPoint) -> None:
        """Switch an access point on; it replaces one of the same name."""
        self.remove_access_point(point.ssid)
        self.access_points = (*self.access_points, point)

    async def associate(self) -> None:
        """Take `join_s`; a test may override it."""
        await asyncio.sleep(self.join_s)

    def _find(self, choice: WifiCredentials) -> SimulatedAccessPoint:
        point = next((point for point in self.access_points if point.ssid == choice.ssid), None)
        if point is None or point.wpa3_only:
            raise _join_error(JoinFailure.NOT_FOUND)
        if not _is_possible(choice):
            raise _join_error(JoinFailure.BAD_PASSPHRASE)
        if choice.auth is not point.auth or choice.encryption is not point.encryption:
            raise _join_error(JoinFailure.NOT_FOUND)
        if is_secured(point.auth, point.encryption) and choice.passphrase != point.passphrase:
            raise _join_error(JoinFailure.WRONG_PASSPHRASE)
        return point

    def _apply_fault(self, point: SimulatedAccessPoint) -> None:
        if point.fault is WifiFault.VANISHES:
            self.remove_access_point(point.ssid)
        if not any(other.ssid == point.ssid for other in self.access_points):
            raise _join_error(JoinFailure.LOST)
        if point.fault is WifiFault.NO_ADDRESS:
            raise _join_error(JoinFailure.NO_ADDRESS)

    def _link(self, point: SimulatedAccessPoint) -> WifiLink:
        return WifiLink(self.interface, point.ssid, IPv4Interface(point.address))


def _is_possible(choice: WifiCredentials) -> bool:
    """Whether the passphrase has a length that the network's security allows."""
    length = len(choice.passphrase)
    if is_wep(choice.auth, choice.encryption):
        return length in {5, 10, 13, 26}
    return 8 <= length <= 64 or not is_secured(choice.auth, choice.encryption)


def _join_error(failure: JoinFailure) -> JoinError:
    return JoinError(f"simulated: {failure.value}", failure)
