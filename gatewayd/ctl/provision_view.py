"""The output of `gatewayctl provision`: tables on a terminal, one JSON object for scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec

from gatewayd.model.wifi import Auth, is_wep
from gatewayd.provisioning.client.client import DiscoveredGateway, JoinOutcome
from gatewayd.provisioning.client.datagrams import NetworkEntry
from gatewayd.provisioning.seal import fingerprint

_SECURITY: Final = {
    Auth.OPEN: "open",
    Auth.WPAPSK: "WPA",
    Auth.WPA2PSK: "WPA2",
    Auth.WPAPSK_WPA2PSK: "WPA/WPA2",
}

ShowProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProvisionView:
    """Writes results to standard output, and progress to standard error unless `as_json`."""

    as_json: bool

    def show_gateways(self, found: tuple[DiscoveredGateway, ...]) -> None:
        """Show every gateway that answered."""
        rows = [_gateway_row(gateway) for gateway in found]
        if self.as_json:
            self._json({"gateways": rows})
        else:
            _table(
                ("", "uuid", "title", "address", "network", "fingerprint"),
                [{**row, "": number, "network": row["access_ssid"]} for number, row in enumerate(rows, 1)],
            )

    def show_gateway(self, gateway: DiscoveredGateway) -> None:
        """Show the gateway that was chosen, with the fingerprint to compare before a passphrase is typed."""
        announced = gateway.announcement
        key = "no key" if announced.key is None else f"key {fingerprint(announced.key)}"
        click.echo(printable(f"{announced.title or announced.type_sub} ({announced.uuid}) at {gateway.address}, {key}"))

    def show_networks(self, gateway: DiscoveredGateway, networks: tuple[NetworkEntry, ...]) -> None:
        """Show the networks in range of `gateway`, strongest first; the signal, an extension of §13, may be missing."""
        rows = [
            {
                "strength": number,
                "ssid": network.ssid,
                "security": _security(network),
                "auth": network.auth.name,
                "encryption": network.encryption.name,
                "signal": network.signal,
            }
            for number, network in enumerate(networks, 1)
        ]
        if self.as_json:
            self._json({"gateway": _gateway_row(gateway), "networks": rows})
        else:
            _table(("", "network", "security", "signal"), [{**row, **_network_columns(row)} for row in rows])
            click.echo("strongest first")

    def show_outcome(self, gateway: DiscoveredGateway, outcome: JoinOutcome) -> None:
        """Show the outcome of a successful join."""
        if self.as_json:
            self._json({"gateway": _gateway_row(gateway), "joined": True, **msgspec.to_builtins(outcome)})
        else:
            click.echo(
                printable(f"{gateway.announcement.uuid} has joined {outcome.access_ssid} and is at {outcome.ip}")
            )
            firmware = (
                "its firmware is the newest"
                if outcome.firmware_is_newest
                else "it has not said that its firmware is the newest: it upgrades, or does not reach the cloud"
            )
            click.echo(firmware)

    @contextmanager
    def show_progress(self, text: str) -> Iterator[ShowProgress]:
        """Show `text` for the length of the block; the yielded function replaces it."""
        from rich.console import Console  # noqa: PLC0415  (half a second on the board)
        from rich.text import Text  # noqa: PLC0415

        console = Console(stderr=True, quiet=self.as_json)
        with console.status(Text(printable(text))) as status:
            yield lambda text: status.update(Text(printable(text)))

    def _json(self, value: Any) -> None:
        click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _network_columns(row: dict[str, Any]) -> dict[str, Any]:
    signal = None if row["signal"] is None else f"{row['signal']} %"
    return {"": row["strength"], "network": row["ssid"], "signal": signal}


def _security(network: NetworkEntry) -> str:
    return "WEP" if is_wep(network.auth, network.encryption) else _SECURITY[network.auth]


def _gateway_row(gateway: DiscoveredGateway) -> dict[str, Any]:
    announced = gateway.announcement
    return {
        "uuid": announced.uuid,
        "title": announced.title,
        "type": announced.type_sub,
        "ver": announced.ver,
        "address": str(gateway.address),
        "access_ssid": announced.access_ssid,
        "fingerprint": None if announced.key is None else fingerprint(announced.key),
    }


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        # Anybody can choose a network's name: it must not be taken for markup or control characters.
        table.add_row(*(Text(printable(row[column])) for column in columns))
    Console(soft_wrap=True).print(table)


def printable(value: object) -> str:
    """`value` as text in which every character that a terminal would not print is escaped; None as "-"."""
    text = "-" if value is None else str(value)
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)
