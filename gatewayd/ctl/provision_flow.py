"""The way of `gatewayctl provision`: which gateway, which network, which passphrase, and how it ended.

Asks people only on a terminal; scripts say everything beforehand. The phone itself is `client`, its looks `view`.
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
    FoundGateway,
    NothingHeardError,
    Patience,
    ProvisioningClient,
    RefusedByGatewayError,
)
from gatewayd.provisioning.client.datagrams import Offer
from gatewayd.provisioning.interfaces import subnets
from gatewayd.provisioning.seal import fingerprint
from gatewayd.provisioning.ssid import MAX_SSID

MAX_PASSPHRASE: Final = 64
"""Characters: 63 of a WPA passphrase, or a key of 64 hex digits."""

_USUAL: Final = {
    Auth.OPEN: Encryption.NONE,
    Auth.SHARED: Encryption.WEP,
    Auth.WPAPSK: Encryption.TKIP,
    Auth.WPA2PSK: Encryption.AES,
    Auth.WPAPSK_WPA2PSK: Encryption.TKIP_AES,
}


class Exit(IntEnum):
    """What scripts look at; 2 is click's, for wrong usage."""

    DONE = 0
    FAILED = 1
    NO_GATEWAY = 3
    REFUSED = 4
    NO_OUTCOME = 5


class StopError(click.ClickException):
    """The end, with a reason and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self._code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """One line, as gatewayctl's other errors have it."""
        click.echo(f"gatewayctl: {printable(self.message)}", file=file, err=True)

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click's is a class variable
        """What the process ends with."""
        return self._code


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """What was asked for on the command line."""

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
    def is_asking(self) -> bool:
        """May people be asked?"""
        return not self.as_json and sys.stdin.isatty()

    @property
    def is_passphrase_typed(self) -> bool:
        """Is it read from the terminal, without echo? Also where standard input, `-`, is one."""
        is_stdin = self.passphrase_file == "-"  # noqa: S105  (a path)
        return sys.stdin.isatty() and (is_stdin or (self.passphrase_file is None and self.is_asking))


def play(wishes: ProvisionOptions, places: tuple[IPv4Address, ...], gateway_port: int, announce_port: int) -> None:
    """The whole command. Raises StopError."""
    _log_to_stderr()
    try:
        asyncio.run(_provision(wishes, places, gateway_port, announce_port))
    except NothingHeardError as error:
        raise StopError(str(error), Exit.NO_OUTCOME) from error
    except RefusedByGatewayError as error:
        raise StopError(str(error), Exit.REFUSED) from error
    except GatewayError as error:
        raise StopError(str(error), Exit.FAILED) from error


def _log_to_stderr() -> None:
    """Standard output is for results."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


async def _provision(
    wishes: ProvisionOptions, places: tuple[IPv4Address, ...], gateway_port: int, announce_port: int
) -> None:
    async with ProvisioningClient.open(
        places, gateway_port=gateway_port, announce_port=announce_port, patience=Patience()
    ) as phone:
        with wishes.view.progress("looking for gateways"):
            found = await phone.find(wishes.seconds, wishes.at)
        if not found:
            reason = f"no gateway answered within {wishes.seconds:g} s"
            raise StopError(f"{reason}; is this machine on its network? --at asks an address", Exit.NO_GATEWAY)
        if wishes.find:
            wishes.view.gateways(found)
            return
        gateway = _chosen_gateway(found, wishes)
        if wishes.is_asking:
            wishes.view.gateway(gateway)
        with wishes.view.progress(f"{gateway.said.uuid} listens for networks"):
            offers = await phone.networks(gateway)
        if wishes.list_networks:
            wishes.view.networks(gateway, offers)
            return
        offer = _chosen_network(gateway, offers, wishes)
        passphrase = _passphrase(gateway, offer, wishes)
        with wishes.view.progress(f"{gateway.said.uuid} joins {printable(offer.ssid)}") as say:
            outcome = await phone.join(
                gateway, offer, passphrase, lambda said: say(f"joined, at {said.ip}; looks for newer firmware")
            )
        wishes.view.outcome(gateway, outcome)


def reach(at: IPv4Address | None, interfaces: tuple[str, ...]) -> tuple[IPv4Address, ...]:
    """Where to look for gateways. Raises StopError."""
    if at is not None:
        return (at,)
    places = tuple(subnet.broadcast for subnet in subnets(interfaces))
    if not places:
        raise StopError("this machine is on no network that it can broadcast to", Exit.NO_GATEWAY)
    return places


def _chosen_gateway(found: tuple[FoundGateway, ...], wishes: ProvisionOptions) -> FoundGateway:
    named = [one for one in found if wishes.gateway is None or one.said.uuid == wishes.gateway.lower()]
    if not named:
        raise StopError(f"{wishes.gateway} did not answer; {_uuids(found)} did", Exit.NO_GATEWAY)
    fitting = tuple(one for one in named if wishes.fingerprint is None or _has_key(one, wishes.fingerprint))
    if not fitting:
        raise StopError("the gateway's key has another fingerprint; it is another gateway", Exit.REFUSED)
    if len(fitting) == 1:
        return fitting[0]
    if len({one.said.uuid for one in fitting}) < len(fitting):
        click.echo("gatewayctl: one name has several keys: somebody poses as a gateway; compare fingerprints", err=True)
    if not wishes.is_asking:
        raise StopError(
            f"several gateways answered; say --gateway: {_uuids(fitting)}, or --fingerprint where a name comes twice",
            Exit.FAILED,
        )
    wishes.view.gateways(fitting)
    with _person_asked():
        return fitting[click.prompt("which gateway", type=click.IntRange(1, len(fitting))) - 1]


def _uuids(found: Iterable[FoundGateway]) -> str:
    return ", ".join(one.said.uuid for one in found)


def _has_key(gateway: FoundGateway, wanted: str) -> bool:
    key = gateway.said.key
    return key is not None and _plain(fingerprint(key)) == _plain(wanted)


def _plain(text: str) -> str:
    return "".join(text.split()).lower()


def _chosen_network(gateway: FoundGateway, offers: tuple[Offer, ...], wishes: ProvisionOptions) -> Offer:
    if wishes.ssid is not None:
        listed = next((offer for offer in offers if offer.ssid == wishes.ssid), None)
        return listed or _hidden(wishes.ssid, wishes.auth, wishes.encryption)
    if not wishes.is_asking:
        raise StopError("which network? say --ssid, or --list to see them", Exit.FAILED)
    wishes.view.networks(gateway, offers)
    with _person_asked():
        number = click.prompt("which network (0: a hidden one)", type=click.IntRange(0, len(offers)))
        return offers[number - 1] if number else _hidden(click.prompt("its name"), wishes.auth, wishes.encryption)


def _hidden(ssid: str, auth: Auth, encryption: Encryption | None) -> Offer:
    if not 1 <= len(ssid.encode()) <= MAX_SSID:
        raise StopError(f"a network's name has 1 to {MAX_SSID} bytes", Exit.FAILED)
    return Offer(ssid, auth, _USUAL[auth] if encryption is None else encryption)


def _passphrase(gateway: FoundGateway, offer: Offer, wishes: ProvisionOptions) -> str:
    if not is_secured(offer.auth, offer.encryption):
        return ""
    if gateway.said.key is None and not wishes.allow_plain:
        if not wishes.is_asking:
            raise StopError("the gateway has no key to seal a passphrase to; --allow-plain sends it open", Exit.FAILED)
        with _person_asked():
            click.confirm(
                "the gateway has no key: everybody on this network can read the passphrase; go on", abort=True
            )
    if wishes.is_passphrase_typed:
        with _person_asked():
            passphrase = click.prompt(f"passphrase of {printable(offer.ssid)}", hide_input=True, err=wishes.as_json)
    elif wishes.passphrase_file is not None:
        passphrase = _read(wishes.passphrase_file)
    else:
        raise StopError(f"{printable(offer.ssid)} wants a passphrase; say --passphrase-file", Exit.FAILED)
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE:
        raise StopError(f"a passphrase has 1 to {MAX_PASSPHRASE} characters", Exit.FAILED)
    return passphrase


@contextmanager
def _person_asked() -> Iterator[None]:
    """Ctrl-C ends the question: asyncio's own handler would wait for its answer first."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read(path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StopError(f"{path}: cannot be read as a passphrase", Exit.FAILED) from error
    return text.rstrip("\r\n")
