"""The Wi-Fi that provisioning needs, as a Protocol. NetworkManager fits it on a board, the simulator in the demo."""

from typing import NoReturn, Protocol

from gatewayd.model.wifi import JoinError, JoinFailure, ScanError, WifiCredentials, WifiLink, WifiNetwork


class Wifi(Protocol):
    """One radio that scans and joins. The caller runs `scan` and `join` one at a time; `link` may run beside them."""

    async def scan(self) -> tuple[WifiNetwork, ...]:
        """Scan now; return the networks, strongest first, each ssid once. Raises ScanError."""
        ...

    async def join(self, credentials: WifiCredentials) -> WifiLink:
        """Join, and return once there is an IPv4 address. Raises JoinError, with the former network connected again."""
        ...

    async def link(self) -> WifiLink | None:
        """The network that is joined now; None where there is none."""
        ...


class NoWifi:
    """A board without Wi-Fi (`[wifi] backend = "none"`). Fits the Protocol `Wifi`."""

    async def scan(self) -> NoReturn:
        """Raises ScanError."""
        raise ScanError("no Wi-Fi on this board ([wifi] backend is none)")

    async def join(self, _credentials: WifiCredentials) -> NoReturn:
        """Raises JoinError."""
        raise JoinError("no Wi-Fi on this board ([wifi] backend is none)", JoinFailure.UNAVAILABLE)

    async def link(self) -> None:
        """Return None: no network is ever joined."""
