"""What provisioning needs of Wi-Fi; NetworkManager gives it on a board, the simulator in the demo."""

from typing import Protocol

from gatewayd.model.wifi import Choice, Link, Network


class Wifi(Protocol):
    """One radio that can hear networks and join one. `scan` and `join` are called one at a time, `link` whenever."""

    async def scan(self) -> tuple[Network, ...]:
        """A fresh list, strongest first, each ssid once. Raises ScanError."""
        ...

    async def join(self, choice: Choice) -> Link:
        """Join, and return once there is an IPv4 address. Raises JoinError, with the former network back."""
        ...

    async def link(self) -> Link | None:
        """What is joined now."""
        ...
