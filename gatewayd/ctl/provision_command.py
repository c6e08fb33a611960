"""`gatewayctl provision`: what can be said on its command line; `flow` does it."""

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
@click.option("--find", is_flag=True, help="Only say which gateways there are.")
@click.option("--list", "list_networks", is_flag=True, help="Only list the networks that the gateway hears.")
@click.option("--gateway", metavar="UUID", help="Which gateway, where there are several.")
@click.option("--ssid", metavar="NAME", help="The network to join.")
@click.option("--passphrase-file", metavar="FILE", help="Read its passphrase there; '-' is standard input.")
@click.option("--fingerprint", metavar="HEX", help="Of the gateway's key; another key is refused.")
@click.option(
    "--auth",
    type=click.Choice([one.name for one in Auth], case_sensitive=False),
    metavar="AUTH",
    default=Auth.WPA2PSK.name,
    show_default=True,
    help=f"Of a hidden network; a listed one says it itself. One of {', '.join(one.name for one in Auth)}.",
)
@click.option(
    "--encryption",
    type=click.Choice([one.name for one in Encryption], case_sensitive=False),
    metavar="ENCRY",
    help=f"Likewise; left out: what goes with --auth. One of {', '.join(one.name for one in Encryption)}.",
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
@click.option("--at", metavar="ADDRESS", callback=_address, help="Where the gateway is, instead of looking everywhere.")
@click.option("--interface", "interfaces", metavar="NAME", multiple=True, help="Look over this interface only.")
@click.option("--gateway-port", metavar="PORT", type=_PORT, default=9820, show_default=True, help="It listens here.")
@click.option("--announce-port", metavar="PORT", type=_PORT, default=9830, show_default=True, help="It speaks to this.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output; nothing is asked.")
def provision(
    at: IPv4Address | None, interfaces: tuple[str, ...], gateway_port: int, announce_port: int, **options: Any
) -> None:
    """Find a gateway on this network and put it on Wi-Fi.

    Without options it asks, step by step. This machine needs no daemon; the gateway's provisioning window must be open
    (`gatewayctl provision-window` there, or its button).

    \b
    gatewayctl provision
    gatewayctl provision --list --json
    gatewayctl provision --ssid home --passphrase-file -  < passphrase

    Exit codes: 0 done; 1 could not be tried; 2 wrong usage; 3 no gateway heard; 4 the gateway refused; 5 no outcome
    heard.
    """
    from gatewayd.ctl import provision_flow as flow  # noqa: PLC0415  (no other command needs a phone)

    auth, encryption = Auth[options.pop("auth")], options.pop("encryption")
    wishes = flow.ProvisionOptions(
        at=at, auth=auth, encryption=Encryption[encryption] if encryption else None, **options
    )
    flow.play(wishes, flow.reach(at, interfaces), gateway_port, announce_port)
