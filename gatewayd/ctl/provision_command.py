"""`gatewayctl provision`: the options of its command line. What they do is left to `provision_flow`."""

from ipaddress import IPv4Address
from typing import Any

import click

from gatewayd.model.wifi import Auth, Encryption

_PORT = click.IntRange(1, 65535)


def _address(_context: click.Context, _option: click.Parameter, text: str | None) -> IPv4Address | None:
    try:
        return None if text is None else IPv4Address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--find", is_flag=True, help="Only list the gateways that answer.")
@click.option("--list", "list_networks", is_flag=True, help="Only list the networks in range of the gateway.")
@click.option("--gateway", metavar="UUID", help="Which gateway, where several answer.")
@click.option("--ssid", metavar="NAME", help="The network to join.")
@click.option("--passphrase-file", metavar="FILE", help="A file with its passphrase; '-' is standard input.")
@click.option("--fingerprint", metavar="HEX", help="Of the gateway's key; a gateway with another key is refused.")
@click.option(
    "--auth",
    type=click.Choice([auth.name for auth in Auth], case_sensitive=False),
    metavar="AUTH",
    default=Auth.WPA2PSK.name,
    show_default=True,
    help=f"Of a hidden network; a listed one brings its own. One of {', '.join(auth.name for auth in Auth)}.",
)
@click.option(
    "--encryption",
    type=click.Choice([encryption.name for encryption in Encryption], case_sensitive=False),
    metavar="ENCRY",
    help="Of a hidden network; by default the usual one for --auth. "
    f"One of {', '.join(encryption.name for encryption in Encryption)}.",
)
@click.option("--allow-plain", is_flag=True, help="Send the passphrase unsealed to a gateway that has no key.")
@click.option(
    "--seconds",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 60),
    default=3,
    show_default=True,
    help="How long to look for gateways.",
)
@click.option("--at", metavar="ADDRESS", callback=_address, help="The gateway's address; nothing is broadcast.")
@click.option("--interface", "interfaces", metavar="NAME", multiple=True, help="Broadcast over this interface only.")
@click.option(
    "--gateway-port", metavar="PORT", type=_PORT, default=9820, show_default=True, help="The gateway listens on it."
)
@click.option(
    "--announce-port", metavar="PORT", type=_PORT, default=9830, show_default=True, help="The gateway announces to it."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output; nothing is asked.")
def provision(
    at: IPv4Address | None, interfaces: tuple[str, ...], gateway_port: int, announce_port: int, **arguments: Any
) -> None:
    """Find a gateway on this network and put it on Wi-Fi.

    Without options it asks, step by step. This machine needs no daemon; the gateway's provisioning window must be open
    (`gatewayctl provision-window` there, or its button).

    \b
    gatewayctl provision
    gatewayctl provision --list --json
    gatewayctl provision --ssid home --passphrase-file -  < passphrase

    Exit codes: 0 done; 1 could not be tried; 2 wrong usage; 3 no gateway answered; 4 the gateway refused; 5 no outcome
    received.
    """
    from gatewayd.ctl import provision_flow as flow  # noqa: PLC0415  (no other command needs the client)

    auth, encryption = Auth[arguments.pop("auth")], arguments.pop("encryption")
    options = flow.ProvisionOptions(
        at=at, auth=auth, encryption=Encryption[encryption] if encryption else None, **arguments
    )
    flow.run(options, flow.search_addresses(at, interfaces), gateway_port, announce_port)
