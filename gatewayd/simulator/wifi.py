"""The air around a simulated board, and its Wi-Fi radio: what can be heard, what joining does, and what goes wrong.

Fits provisioning's Protocol by its shape. Slowness is real waiting, so that cancelling in the middle is, too.
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
    """What an access point can do to who joins it."""

    NONE = "none"
    NO_ADDRESS = "its DHCP server is silent"
    VANISHES = "it is switched off in the middle of a join"


@dataclass(frozen=True, slots=True)
class SimulatedAccessPoint:
    """One network in the air."""

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
        """True where a phone is to see it: neither hidden nor in want of WPA3, which §13 has no number for."""
        return not self.hidden and not self.wpa3_only


HALLWAY: Final = (
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
"""Some of everything, as an installer finds it."""


class SimulatedWifi:
    """A radio that hears `air`. `scan_s` and `join_s` are how long it takes."""

    def __init__(
        self,
        air: tuple[SimulatedAccessPoint, ...] = HALLWAY,
        *,
        interface: str = "wlan0",
        scan_s: float = 0.0,
        join_s: float = 0.0,
        joined: SimulatedAccessPoint | None = None,
    ) -> None:
        self.air = air
        self.interface = interface
        self.scan_s = scan_s
        self.join_s = join_s
        self.deaf = False
        """True: scans fail."""
        self.scans = 0
        self.joins = 0
        self._joined = joined

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """What is heard now, strongest first, each ssid once. Raises ScanError while deaf."""
        self.scans += 1
        await asyncio.sleep(self.scan_s)
        if self.deaf:
            raise ScanError("the simulated radio hears nothing: it is deaf")
        heard: dict[bytes, WifiNetwork] = {}
        for one in sorted(self.air, key=lambda one: -one.signal):
            if one.is_listed:
                heard.setdefault(one.ssid, WifiNetwork(one.ssid, one.auth, one.encryption, one.signal))
        return tuple(heard.values())

    async def join(self, choice: WifiCredentials) -> WifiLink:
        """Join as chosen. Raises JoinError, with the former network back; so it is when this is cancelled."""
        self.joins += 1
        former, self._joined = self._joined, None
        try:
            point = self._chosen(choice)
            await self.associate()
            self._meet_fault(point)
        except BaseException:
            self._joined = former
            raise
        self._joined = point
        return self._link(point)

    async def link(self) -> WifiLink | None:
        """What is joined now."""
        return None if self._joined is None else self._link(self._joined)

    def vanish(self, ssid: bytes) -> None:
        """Switch a network off, now."""
        self.air = tuple(one for one in self.air if one.ssid != ssid)

    def appear(self, point: SimulatedAccessPoint) -> None:
        """Switch a network on; it takes the place of one of that name."""
        self.air = (*(one for one in self.air if one.ssid != point.ssid), point)

    async def associate(self) -> None:
        """Take `join_s`; a test may override it."""
        await asyncio.sleep(self.join_s)

    def _chosen(self, choice: WifiCredentials) -> SimulatedAccessPoint:
        point = next((one for one in self.air if one.ssid == choice.ssid), None)
        if point is None or point.wpa3_only:
            raise _failed(JoinFailure.NOT_FOUND)
        if not _is_possible(choice):
            raise _failed(JoinFailure.BAD_PASSPHRASE)
        if choice.auth is not point.auth or choice.encryption is not point.encryption:
            raise _failed(JoinFailure.NOT_FOUND)
        if is_secured(point.auth, point.encryption) and choice.passphrase != point.passphrase:
            raise _failed(JoinFailure.WRONG_PASSPHRASE)
        return point

    def _meet_fault(self, point: SimulatedAccessPoint) -> None:
        if point.fault is WifiFault.VANISHES:
            self.vanish(point.ssid)
        if not any(one.ssid == point.ssid for one in self.air):
            raise _failed(JoinFailure.LOST)
        if point.fault is WifiFault.NO_ADDRESS:
            raise _failed(JoinFailure.NO_ADDRESS)

    def _link(self, point: SimulatedAccessPoint) -> WifiLink:
        return WifiLink(self.interface, point.ssid, IPv4Interface(point.address))


def _is_possible(choice: WifiCredentials) -> bool:
    length = len(choice.passphrase)
    if is_wep(choice.auth, choice.encryption):
        return length in {5, 10, 13, 26}
    return 8 <= length <= 64 or not is_secured(choice.auth, choice.encryption)


def _failed(failure: JoinFailure) -> JoinError:
    return JoinError(f"simulated: {failure.value}", failure)
