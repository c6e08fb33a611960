"""What `gatewayctl provision` shows: tables for people on a terminal, one JSON object for scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec

from gatewayd.model.wifi import Auth, is_wep
from gatewayd.provisioning.client.client import FoundGateway, JoinOutcome
from gatewayd.provisioning.client.datagrams import Offer
from gatewayd.provisioning.seal import fingerprint

_SECURITY: Final = {
    Auth.OPEN: "open",
    Auth.WPAPSK: "WPA",
    Auth.WPA2PSK: "WPA2",
    Auth.WPAPSK_WPA2PSK: "WPA/WPA2",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProvisionView:
    """Results go to standard output, progress to standard error, where a person sees it."""

    as_json: bool

    def gateways(self, found: tuple[FoundGateway, ...]) -> None:
        """Every gateway that answered."""
        rows = [_gateway(one) for one in found]
        if self.as_json:
            self._json({"gateways": rows})
        else:
            _table(
                ("", "uuid", "title", "address", "network", "fingerprint"),
                [_line(n, row) for n, row in enumerate(rows, 1)],
            )

    def gateway(self, found: FoundGateway) -> None:
        """The one that is spoken to, and what to compare before a passphrase is entrusted to it."""
        said = found.said
        key = "no key" if said.key is None else f"key {fingerprint(said.key)}"
        click.echo(printable(f"{said.title or said.type_sub} ({said.uuid}) at {found.address}, {key}"))

    def networks(self, gateway: FoundGateway, offers: tuple[Offer, ...]) -> None:
        """What a gateway hears. §13 has no signals: where a gateway says none, the order tells which is stronger."""
        rows = [
            {
                "strength": place,
                "ssid": offer.ssid,
                "security": _security(offer),
                "auth": offer.auth.name,
                "encryption": offer.encryption.name,
                "signal": offer.signal,
            }
            for place, offer in enumerate(offers, 1)
        ]
        if self.as_json:
            self._json({"gateway": _gateway(gateway), "networks": rows})
        else:
            _table(("", "network", "security", "signal"), [{**row, **_shown(row)} for row in rows])
            click.echo("strongest first")

    def outcome(self, gateway: FoundGateway, outcome: JoinOutcome) -> None:
        """A network joined."""
        if self.as_json:
            said = msgspec.to_builtins(outcome)
            self._json({"gateway": _gateway(gateway), "joined": True, **said})
        else:
            click.echo(printable(f"{gateway.said.uuid} has joined {outcome.access_ssid} and is at {outcome.ip}"))
            newest = (
                "its firmware is the newest"
                if outcome.firmware_is_newest
                else "it has not said that its firmware is the newest: it upgrades, or does not reach the cloud"
            )
            click.echo(newest)

    @contextmanager
    def progress(self, text: str) -> Iterator[Say]:
        """Show that something is waited for; the yielded call changes the words."""
        from rich.console import Console  # noqa: PLC0415  (half a second on the board)
        from rich.text import Text  # noqa: PLC0415

        console = Console(stderr=True, quiet=self.as_json)
        with console.status(Text(printable(text))) as status:
            yield lambda words: status.update(Text(printable(words)))

    def _json(self, value: Any) -> None:
        click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _line(number: int, gateway: dict[str, Any]) -> dict[str, Any]:
    return {**gateway, "": number, "network": gateway["access_ssid"]}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    signal = None if row["signal"] is None else f"{row['signal']} %"
    return {"": row["strength"], "network": row["ssid"], "signal": signal}


def _security(offer: Offer) -> str:
    return "WEP" if is_wep(offer.auth, offer.encryption) else _SECURITY[offer.auth]


def _gateway(found: FoundGateway) -> dict[str, Any]:
    said = found.said
    return {
        "uuid": said.uuid,
        "title": said.title,
        "type": said.type_sub,
        "ver": said.ver,
        "address": str(found.address),
        "access_ssid": said.access_ssid,
        "fingerprint": None if said.key is None else fingerprint(said.key),
    }


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        # Names come from the air: no markup, and no control characters for the terminal.
        table.add_row(*(Text(printable(row[column])) for column in columns))
    Console(soft_wrap=True).print(table)


def printable(value: object) -> str:
    """`value` in words; what a terminal could take for an order is shown as an escape."""
    text = "-" if value is None else str(value)
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)
