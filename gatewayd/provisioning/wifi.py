"""What provisioning needs of Wi-Fi; NetworkManager gives it on a board, the simulator in the demo."""

from typing import NoReturn, Protocol

from gatewayd.model.wifi import JoinError, JoinFailure, ScanError, WifiCredentials, WifiLink, WifiNetwork


class Wifi(Protocol):
    """One radio that can hear networks and join one. `scan` and `join` are called one at a time, `link` whenever."""

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """A fresh list, strongest first, each ssid once. Raises ScanError."""
        ...

    async def join(self, choice: WifiCredentials) -> WifiLink:
        """Join, and return once there is an IPv4 address. Raises JoinError, with the former network back."""
        ...

    async def link(self) -> WifiLink | None:
        """What is joined now."""
        ...


class NoWifi:
    """Fits the Protocol `Wifi`."""

    async def scan(self) -> NoReturn:
        """Raises ScanError."""
        raise ScanError("no Wi-Fi on this board ([wifi] backend is none)")

    async def join(self, _choice: WifiCredentials) -> NoReturn:
        """Raises JoinError."""
        raise JoinError("no Wi-Fi on this board ([wifi] backend is none)", JoinFailure.UNAVAILABLE)

    async def link(self) -> None:
        """Nothing is joined."""
