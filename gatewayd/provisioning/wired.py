"""The Wi-Fi of a board that has none (`[wifi] backend = "none"`): it is found by phones, and says no to the rest."""

from typing import NoReturn

from gatewayd.model.wifi import Choice, JoinError, JoinFailure, ScanError


class NoWifi:
    """Fits the Protocol `Wifi`."""

    async def scan(self) -> NoReturn:
        """Raises ScanError."""
        raise ScanError("no Wi-Fi on this board ([wifi] backend is none)")

    async def join(self, _choice: Choice) -> NoReturn:
        """Raises JoinError."""
        raise JoinError("no Wi-Fi on this board ([wifi] backend is none)", JoinFailure.UNAVAILABLE)

    async def link(self) -> None:
        """Nothing is joined."""
