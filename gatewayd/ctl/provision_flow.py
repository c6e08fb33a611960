"""The steps of `gatewayctl provision`: choose a gateway, a network and a passphrase, join, show the outcome.

Asks only on a terminal; a script gives everything as options. The datagrams are left to `provisioning.client`, the
output to `provision_view`.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Any, Final

import click
import structlog

from gatewayd.ctl.provision_view import ProvisionView, printable
from gatewayd.model.errors import GatewayError
from gatewayd.model.wifi import Auth, Encryption, is_secured
from gatewayd.provisioning.client.client import (
    ClientTimeouts,
    DiscoveredGateway,
    NoAnswerError,
    ProvisioningClient,
    RefusedByGatewayError,
)
from gatewayd.provisioning.client.datagrams import NetworkEntry
from gatewayd.provisioning.interfaces import subnets
from gatewayd.provisioning.seal import fingerprint
from gatewayd.provisioning.ssid import MAX_SSID_BYTES

MAX_PASSPHRASE: Final = 64
"""Characters: 63 of a WPA passphrase, or a key of 64 hex digits."""

_STDIN: Final = "-"

_USUAL_ENCRYPTION: Final = {
    Auth.OPEN: Encryption.NONE,
    Auth.SHARED: Encryption.WEP,
    Auth.WPAPSK: Encryption.TKIP,
    Auth.WPA2PSK: Encryption.AES,
    Auth.WPAPSK_WPA2PSK: Encryption.TKIP_AES,
}


class Exit(IntEnum):
    """The exit codes; 2 is click's, for wrong usage."""

    DONE = 0
    FAILED = 1
    NO_GATEWAY = 3
    REFUSED = 4
    NO_OUTCOME = 5


class StopError(click.ClickException):
    """Ends the command with a reason and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self._code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the reason on one line, like gatewayctl's other errors."""
        click.echo(f"gatewayctl: {printable(self.message)}", file=file, err=True)

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click's is a class variable
        """The exit code of the process."""
        return self._code


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """The options of the command line."""

    seconds: float
    at: IPv4Address | None
    gateway: str | None
    find: bool
    list_networks: bool
    ssid: str | None
    auth: Auth
    encryption: Encryption | None
    passphrase_file: str | None
    fingerprint: str | None
    allow_plain: bool
    as_json: bool

    @property
    def view(self) -> ProvisionView:
        """How results are shown."""
        return ProvisionView(self.as_json)

    @property
    def is_interactive(self) -> bool:
        """True where the user can be asked."""
        return not self.as_json and sys.stdin.isatty()

    @property
    def is_passphrase_typed(self) -> bool:
        """True where the passphrase is read from the terminal without echo, also as `--passphrase-file -`."""
        is_stdin = self.passphrase_file == _STDIN
        return sys.stdin.isatty() and (is_stdin or (self.passphrase_file is None and self.is_interactive))


def run(options: ProvisionOptions, addresses: tuple[IPv4Address, ...], gateway_port: int, announce_port: int) -> None:
    """Run the command; `addresses` are where to look for gateways. Raises StopError."""
    _log_to_stderr()
    try:
        asyncio.run(_provision(options, addresses, gateway_port, announce_port))
    except NoAnswerError as error:
        raise StopError(str(error), Exit.NO_OUTCOME) from error
    except RefusedByGatewayError as error:
        raise StopError(str(error), Exit.REFUSED) from error
    except GatewayError as error:
        raise StopError(str(error), Exit.FAILED) from error


def search_addresses(at: IPv4Address | None, interfaces: tuple[str, ...]) -> tuple[IPv4Address, ...]:
    """Where to look for gateways: `at`, else the broadcast addresses of `interfaces` (none named: of all).

    Raises StopError where there is none.
    """
    if at is not None:
        return (at,)
    addresses = tuple(subnet.broadcast for subnet in subnets(interfaces))
    if not addresses:
        raise StopError("this machine is on no network that it can broadcast to", Exit.NO_GATEWAY)
    return addresses


def _log_to_stderr() -> None:
    """Keep the log out of standard output, where results go."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


async def _provision(
    options: ProvisionOptions, addresses: tuple[IPv4Address, ...], gateway_port: int, announce_port: int
) -> None:
    async with ProvisioningClient.open(
        addresses, gateway_port=gateway_port, announce_port=announce_port, timeouts=ClientTimeouts()
    ) as client:
        with options.view.show_progress("looking for gateways"):
            found = await client.discover(options.seconds, options.at)
        if not found:
            reason = f"no gateway answered within {options.seconds:g} s"
            raise StopError(f"{reason}; is this machine on its network? --at asks an address", Exit.NO_GATEWAY)
        if options.find:
            options.view.show_gateways(found)
            return
        gateway = _choose_gateway(found, options)
        uuid = gateway.announcement.uuid
        if options.is_interactive:
            options.view.show_gateway(gateway)
        with options.view.show_progress(f"{uuid} listens for networks"):
            networks = await client.list_networks(gateway)
        if options.list_networks:
            options.view.show_networks(gateway, networks)
            return
        network = _choose_network(gateway, networks, options)
        passphrase = _read_passphrase(gateway, network, options)
        with options.view.show_progress(f"{uuid} joins {printable(network.ssid)}") as show:
            outcome = await client.join(
                gateway, network, passphrase, lambda joined: show(f"joined, at {joined.ip}; looks for newer firmware")
            )
        options.view.show_outcome(gateway, outcome)


def _choose_gateway(found: tuple[DiscoveredGateway, ...], options: ProvisionOptions) -> DiscoveredGateway:
    named = [
        gateway for gateway in found if options.gateway is None or gateway.announcement.uuid == options.gateway.lower()
    ]
    if not named:
        raise StopError(f"{options.gateway} did not answer; {_uuids(found)} did", Exit.NO_GATEWAY)
    matching = tuple(
        gateway for gateway in named if options.fingerprint is None or _has_key(gateway, options.fingerprint)
    )
    if not matching:
        raise StopError("the gateway's key has another fingerprint; it is another gateway", Exit.REFUSED)
    if len(matching) == 1:
        return matching[0]
    if len({gateway.announcement.uuid for gateway in matching}) < len(matching):
        click.echo("gatewayctl: one name has several keys: somebody poses as a gateway; compare fingerprints", err=True)
    if not options.is_interactive:
        raise StopError(
            f"several gateways answered; say --gateway: {_uuids(matching)}, or --fingerprint where a name comes twice",
            Exit.FAILED,
        )
    options.view.show_gateways(matching)
    with _interruptible():
        return matching[click.prompt("which gateway", type=click.IntRange(1, len(matching))) - 1]


def _uuids(found: Iterable[DiscoveredGateway]) -> str:
    return ", ".join(gateway.announcement.uuid for gateway in found)


def _has_key(gateway: DiscoveredGateway, expected: str) -> bool:
    key = gateway.announcement.key
    return key is not None and _normalized(fingerprint(key)) == _normalized(expected)


def _normalized(text: str) -> str:
    return "".join(text.split()).lower()


def _choose_network(
    gateway: DiscoveredGateway, networks: tuple[NetworkEntry, ...], options: ProvisionOptions
) -> NetworkEntry:
    if options.ssid is not None:
        listed = next((network for network in networks if network.ssid == options.ssid), None)
        return listed or _hidden_network(options.ssid, options.auth, options.encryption)
    if not options.is_interactive:
        raise StopError("which network? say --ssid, or --list to see them", Exit.FAILED)
    options.view.show_networks(gateway, networks)
    with _interruptible():
        number = click.prompt("which network (0: a hidden one)", type=click.IntRange(0, len(networks)))
        if number:
            return networks[number - 1]
        return _hidden_network(click.prompt("its name"), options.auth, options.encryption)


def _hidden_network(ssid: str, auth: Auth, encryption: Encryption | None) -> NetworkEntry:
    if not 1 <= len(ssid.encode()) <= MAX_SSID_BYTES:
        raise StopError(f"a network's name has 1 to {MAX_SSID_BYTES} bytes", Exit.FAILED)
    return NetworkEntry(ssid, auth, _USUAL_ENCRYPTION[auth] if encryption is None else encryption)


def _read_passphrase(gateway: DiscoveredGateway, network: NetworkEntry, options: ProvisionOptions) -> str:
    if not is_secured(network.auth, network.encryption):
        return ""
    if gateway.announcement.key is None and not options.allow_plain:
        _confirm_plain(options)
    if options.is_passphrase_typed:
        with _interruptible():
            passphrase = click.prompt(f"passphrase of {printable(network.ssid)}", hide_input=True, err=options.as_json)
    elif options.passphrase_file is not None:
        passphrase = _read_file(options.passphrase_file)
    else:
        raise StopError(f"{printable(network.ssid)} wants a passphrase; say --passphrase-file", Exit.FAILED)
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE:
        raise StopError(f"a passphrase has 1 to {MAX_PASSPHRASE} characters", Exit.FAILED)
    return passphrase


def _confirm_plain(options: ProvisionOptions) -> None:
    """Have the user confirm that the passphrase is sent unsealed. Raises StopError, click.Abort."""
    if not options.is_interactive:
        raise StopError("the gateway has no key to seal a passphrase to; --allow-plain sends it open", Exit.FAILED)
    with _interruptible():
        click.confirm("the gateway has no key: everybody on this network can read the passphrase; go on", abort=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a prompt at once; asyncio's own handler would wait until the prompt is answered."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read_file(path: str) -> str:
    try:
        text = sys.stdin.read() if path == _STDIN else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StopError(f"{path}: cannot be read as a passphrase", Exit.FAILED) from error
    return text.rstrip("\r\n")
