"""`gatewayctl provision`: what can be said on its command line; `phone_flow` does it."""

from typing import Any

import click

from gatewayd.model.wifi import Auth, Encryption


@click.command()
@click.option("--find", is_flag=True, help="Only say which gateways there are.")
@click.option("--list", "list_networks", is_flag=True, help="Only list the networks that the gateway hears.")
@click.option("--gateway", metavar="UUID", help="Which gateway, where there are several.")
@click.option("--ssid", help="The network to join.")
@click.option(
    "--auth",
    type=click.Choice([one.name for one in Auth], case_sensitive=False),
    default=Auth.WPA2PSK.name,
    show_default=True,
    help="Of a hidden network; a listed one says it itself.",
)
@click.option(
    "--encryption",
    type=click.Choice([one.name for one in Encryption], case_sensitive=False),
    help="Of a hidden network.  [default: what goes with --auth]",
)
@click.option(
    "--passphrase-file", type=click.Path(allow_dash=True), help="Read the passphrase there ('-': standard input)."
)
@click.option("--fingerprint", metavar="HEX", help="Of the gateway's key; another key is refused.")
@click.option("--allow-plain", is_flag=True, help="Send the passphrase unsealed to a gateway that has no key.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=3, show_default=True, help="How long to look.")
@click.option("--at", metavar="ADDRESS", help="Where the gateway is, instead of looking everywhere.")
@click.option("--interface", "interfaces", multiple=True, help="Look here only.")
@click.option("--gateway-port", type=click.IntRange(1, 65535), default=9820, show_default=True)
@click.option("--announce-port", type=click.IntRange(1, 65535), default=9830, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output; nothing is asked.")
def provision(
    at: str | None, interfaces: tuple[str, ...], gateway_port: int, announce_port: int, **options: Any
) -> None:
    """Find a gateway on this network and put it on Wi-Fi. Needs no daemon on this machine.

    Exit codes: 0 done; 1 failed; 3 no gateway heard; 4 the gateway refused; 5 no outcome heard.
    """
    from gatewayd.provisioning import phone_flow  # noqa: PLC0415  (no other command needs a phone)

    auth, encryption = Auth[options.pop("auth")], options.pop("encryption")
    wishes = phone_flow.Wishes(auth=auth, encryption=Encryption[encryption] if encryption else None, **options)
    phone_flow.play(wishes, phone_flow.reach(at, interfaces), gateway_port, announce_port)
