"""An installer's phone: discovers gateways, has one list its networks and join one, waits for the outcome (§10, §13).

Runs without a daemon on the same machine. The dialogue with the user and its output are left to `ctl`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, TypeVar

import structlog

from gatewayd.model.errors import GatewayError, MalformedError
from gatewayd.model.status import UdpStatus
from gatewayd.provisioning.client.datagrams import (
    Announcement,
    FirmwareIsNewest,
    GatewayMessage,
    NetworkEntry,
    NetworkList,
    Refusal,
    decode_message,
    encode_discover,
    encode_join_network,
    encode_list_networks,
)
from gatewayd.provisioning.datagrams import SealedPassphrase
from gatewayd.provisioning.seal import SealContext, seal
from gatewayd.provisioning.udp_socket import Sender, UdpSocket

log = structlog.get_logger()

_MAX_QUEUED: Final = 256
"""Messages received and not looked at yet; more are dropped."""

Result = TypeVar("Result")


class NoAnswerError(GatewayError):
    """The gateway did not answer in time."""


class RefusedByGatewayError(GatewayError):
    """The gateway answered 400514 or 400515, or its key has changed."""


@dataclass(frozen=True, slots=True)
class DiscoveredGateway:
    """A gateway: what it announced, and the address that it answers from."""

    announcement: Announcement
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class JoinOutcome:
    """A successful join. `firmware_is_newest` is False where no 200555 came: the gateway upgrades, or does not know."""

    ip: str | None
    access_ssid: str | None
    firmware_is_newest: bool


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Seconds to wait for each answer; since datagrams get lost, a request is sent again every `resend` seconds."""

    announcement: float = 5
    networks: float = 40
    join: float = 180
    firmware: float = 30
    resend: float = 2


class ProvisioningClient:
    """`targets` are the addresses to look for gateways at: broadcast addresses, or that of one gateway."""

    def __init__(self, targets: Iterable[IPv4Address], gateway_port: int, timeouts: ClientTimeouts) -> None:
        self._targets = tuple(targets)
        self._gateway_port = gateway_port
        self._timeouts = timeouts
        self._received: asyncio.Queue[tuple[GatewayMessage, Sender]] = asyncio.Queue(_MAX_QUEUED)
        self._socket = UdpSocket(self._on_datagram)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        targets: Iterable[IPv4Address],
        *,
        gateway_port: int = 9820,
        announce_port: int = 9830,
        timeouts: ClientTimeouts,
    ) -> AsyncIterator["ProvisioningClient"]:
        """A client that receives for the length of the block; not on the announce port where another program has it."""
        client = cls(targets, gateway_port, timeouts)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client._socket.bound(0))
            try:
                await stack.enter_async_context(UdpSocket(client._on_datagram).bound(announce_port, is_shared=True))
            except OSError as error:
                log.debug("announcements_not_received", port=announce_port, reason=str(error))
            yield client

    async def discover(self, seconds: float, at: IPv4Address | None = None) -> tuple[DiscoveredGateway, ...]:
        """Every gateway that announces itself within `seconds`, sorted by uuid; with `at`, only those at this address.

        A uuid with two keys is listed twice: one of the two is an impostor.
        """
        found: dict[tuple[str, bytes], DiscoveredGateway] = {}

        def collect(message: GatewayMessage, sender: Sender) -> None:
            if isinstance(message, Announcement) and at in {None, sender.address}:
                found[message.uuid, message.key or b""] = DiscoveredGateway(message, sender.address)

        try:
            async with asyncio.timeout(seconds):
                await self._request(encode_discover(_new_sn()), self._targets, collect)
        except TimeoutError:
            pass
        return tuple(found[identity] for identity in sorted(found))

    async def list_networks(self, gateway: DiscoveredGateway) -> tuple[NetworkEntry, ...]:
        """The networks in range of `gateway`, strongest first. Raises NoAnswerError, RefusedByGatewayError."""

        def find_networks(message: GatewayMessage, sender: Sender) -> tuple[NetworkEntry, ...] | None:
            if sender.address != gateway.address:
                return None
            if isinstance(message, Refusal) and message.status is UdpStatus.WIFI_LIST_FAILED:
                raise RefusedByGatewayError("the gateway could not list its networks (400514)")
            return message.networks if isinstance(message, NetworkList) else None

        async with _no_answer_after(self._timeouts.networks, "a list of networks"):
            request = encode_list_networks(gateway.announcement.uuid)
            return await self._request(request, (gateway.address,), find_networks)

    async def join(
        self,
        gateway: DiscoveredGateway,
        network: NetworkEntry,
        passphrase: str,
        on_joined: Callable[[Announcement], None] = lambda _announcement: None,
    ) -> JoinOutcome:
        """Have `gateway` join `network`; the passphrase is sealed where the gateway has a key.

        `on_joined` is called with the 200601, before the firmware is looked up. Raises RefusedByGatewayError, and
        NoAnswerError, also where the gateway has moved to a network that this machine is not on.
        """
        current = gateway.announcement
        if current.key is not None:
            current = await self._fresh_announcement(gateway)
        sn = _new_sn()
        request = encode_join_network(current.uuid, sn, network, seal_for(current, network, passphrase))
        joined = await self._wait_until_joined(gateway, current, network, request, sn)
        on_joined(joined)
        return JoinOutcome(joined.ip, joined.access_ssid, await self._is_firmware_newest(gateway, joined, request))

    async def _fresh_announcement(self, gateway: DiscoveredGateway) -> Announcement:
        """A new announcement of `gateway`: the nonce in the former one may have been used."""
        sn = _new_sn()
        known = gateway.announcement

        def find_announcement(message: GatewayMessage, _sender: Sender) -> Announcement | None:
            if not isinstance(message, Announcement) or message.uuid != known.uuid or message.sn != sn:
                return None
            if message.key != known.key:
                raise RefusedByGatewayError("the gateway's key is another than a moment ago: somebody poses as it")
            return message

        async with _no_answer_after(self._timeouts.announcement, "an announcement"):
            return await self._request(encode_discover(sn), (gateway.address,), find_announcement)

    async def _wait_until_joined(
        self, gateway: DiscoveredGateway, before: Announcement, network: NetworkEntry, request: bytes, sn: str
    ) -> Announcement:
        """Send the 200554 until its outcome arrives; `before` is the gateway's announcement before it."""

        def find_outcome(message: GatewayMessage, sender: Sender) -> Announcement | None:
            match message:
                case Refusal(status=UdpStatus.WIFI_JOIN_FAILED) if _is_answer(message.sn, sn, sender, gateway):
                    reason = message.reason or "it says no more"
                    raise RefusedByGatewayError(f"the gateway did not join (400515): {reason}")
                case Announcement(uuid=before.uuid, key=before.key):
                    # The answer may get lost while this machine follows the gateway to the new network; then an
                    # announcement without the request's sn shows that the gateway has arrived there.
                    is_there = message.access_ssid == network.ssid and (
                        before.key is None or before.access_ssid != network.ssid
                    )
                    return message if message.sn == sn or is_there else None
            return None

        async with _no_answer_after(self._timeouts.join, "the outcome; the gateway may be on the other network now"):
            return await self._request(request, (gateway.address,), find_outcome)

    async def _is_firmware_newest(self, gateway: DiscoveredGateway, joined: Announcement, request: bytes) -> bool:
        """Whether 200555 arrives in time.

        A gateway with the extensions recognizes the repeated request, and repeats the outcome instead of joining again.
        """
        addresses = {gateway.address, IPv4Address(joined.ip)} if joined.ip else {gateway.address}

        def find_confirmation(message: GatewayMessage, sender: Sender) -> bool | None:
            return True if isinstance(message, FirmwareIsNewest) and sender.address in addresses else None

        try:
            async with asyncio.timeout(self._timeouts.firmware):
                return await self._resend_until(request, addresses if joined.key else (), find_confirmation)
        except TimeoutError:
            return False

    async def _request(
        self,
        request: bytes,
        addresses: Iterable[IPv4Address],
        find: Callable[[GatewayMessage, Sender], Result | None],
    ) -> Result:
        """Drop what was received so far; then as `_resend_until`."""
        while not self._received.empty():
            self._received.get_nowait()
        return await self._resend_until(request, addresses, find)

    async def _resend_until(
        self,
        request: bytes,
        addresses: Iterable[IPv4Address],
        find: Callable[[GatewayMessage, Sender], Result | None],
    ) -> Result:
        """Send `request` to `addresses` every `resend` seconds until `find` returns a result for a message."""
        while True:
            for address in addresses:
                self._socket.send(request, address, self._gateway_port)
            try:
                async with asyncio.timeout(self._timeouts.resend):
                    while True:
                        if (result := find(*await self._received.get())) is not None:
                            return result
            except TimeoutError:
                continue

    def _on_datagram(self, datagram: bytes, sender: Sender) -> None:
        try:
            message = decode_message(datagram)
        except MalformedError as error:
            log.debug("datagram_not_read", sender=str(sender.address), reason=str(error))
            return
        if not self._received.full():
            self._received.put_nowait((message, sender))


def seal_for(gateway: Announcement, network: NetworkEntry, passphrase: str) -> str | SealedPassphrase:
    """`passphrase` in the form that `gateway` takes: sealed if it announces a key. Raises MalformedError where that is
    not an X25519 key.
    """
    if not passphrase or gateway.key is None or gateway.nonce is None:
        return passphrase
    context = SealContext(gateway.uuid, network.ssid, network.auth, network.encryption, gateway.nonce)
    return SealedPassphrase(gateway.nonce, seal(passphrase, gateway.key, context))


def _is_answer(answer_sn: str | None, sn: str, sender: Sender, gateway: DiscoveredGateway) -> bool:
    """True where the sn is the request's; a gateway without the extensions sends none, then its address decides."""
    return answer_sn == sn or (answer_sn is None and sender.address == gateway.address)


def _new_sn() -> str:
    return secrets.token_hex(8)


@asynccontextmanager
async def _no_answer_after(seconds: float, expected: str) -> AsyncIterator[None]:
    """Raises NoAnswerError where the block takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise NoAnswerError(f"no answer within {seconds:g} s: waited for {expected}") from error
