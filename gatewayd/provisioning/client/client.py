"""An installer's phone: finds gateways, lists what one hears, has it join a network, waits for the outcome (§10, §13).

Needs no daemon beside it. What people see of it is `view`'s.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TypeVar

import structlog

from gatewayd.model.errors import GatewayError, MalformedError
from gatewayd.model.status import UdpStatus
from gatewayd.provisioning.client.datagrams import (
    Announced,
    FirmwareIsNewest,
    Heard,
    Listed,
    Offer,
    Refused,
    decode_answer,
    question_join,
    question_networks,
    question_who,
)
from gatewayd.provisioning.datagrams import Sealed
from gatewayd.provisioning.seal import Bound, seal
from gatewayd.provisioning.udp_socket import Requester, UdpSocket

log = structlog.get_logger()

Answer = TypeVar("Answer")


class NothingHeardError(GatewayError):
    """No answer in time."""


class RefusedByGatewayError(GatewayError):
    """400514 or 400515."""


@dataclass(frozen=True, slots=True)
class FoundGateway:
    """A gateway, and where it answers."""

    said: Announced
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class JoinOutcome:
    """A network joined. `firmware_is_newest` is False where no 200555 came: it upgrades, or nobody knows."""

    ip: str | None
    access_ssid: str | None
    firmware_is_newest: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long answers are waited for. Datagrams are lost; a question is asked `again` after so long."""

    announcement: float = 5
    networks: float = 40
    join: float = 180
    firmware: float = 30
    again: float = 2


class ProvisioningClient:
    """`reach` is where gateways are looked for: broadcast addresses, or one gateway's own."""

    def __init__(self, reach: Iterable[IPv4Address], gateway_port: int, patience: Patience) -> None:
        self._reach = tuple(reach)
        self._gateway_port = gateway_port
        self._patience = patience
        self._heard: asyncio.Queue[tuple[Heard, Requester]] = asyncio.Queue(256)
        self._endpoint = UdpSocket(self._received)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, reach: Iterable[IPv4Address], *, gateway_port: int = 9820, announce_port: int = 9830, patience: Patience
    ) -> AsyncIterator["ProvisioningClient"]:
        """Listen as long as this is entered; without the announce port where another program has it."""
        phone = cls(reach, gateway_port, patience)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(phone._endpoint.bound(0))
            try:
                await stack.enter_async_context(UdpSocket(phone._received).bound(announce_port, is_shared=True))
            except OSError as error:
                log.debug("announcements_not_heard", port=announce_port, reason=str(error))
            yield phone

    async def find(self, seconds: float, at: IPv4Address | None = None) -> tuple[FoundGateway, ...]:
        """Every gateway that answers within `seconds`, or the one `at` an address whatever others announce meanwhile.

        By uuid; two keys under one uuid are two: one is an impostor.
        """
        found: dict[tuple[str, bytes], FoundGateway] = {}

        def collect(heard: Heard, asker: Requester) -> None:
            if isinstance(heard, Announced) and at in {None, asker.address}:
                found[heard.uuid, heard.key or b""] = FoundGateway(heard, asker.address)

        try:
            async with asyncio.timeout(seconds):
                await self._ask(question_who(_new_sn()), self._reach, collect)
        except TimeoutError:
            pass
        return tuple(found[name] for name in sorted(found))

    async def networks(self, gateway: FoundGateway) -> tuple[Offer, ...]:
        """What `gateway` hears, strongest first. Raises NothingHeardError, RefusedByGatewayError."""

        def offers(heard: Heard, asker: Requester) -> tuple[Offer, ...] | None:
            if asker.address != gateway.address:
                return None
            if isinstance(heard, Refused) and heard.status is UdpStatus.WIFI_LIST_FAILED:
                raise RefusedByGatewayError("the gateway could not list its networks (400514)")
            return heard.offers if isinstance(heard, Listed) else None

        async with _waiting(self._patience.networks, "a list of networks"):
            return await self._ask(question_networks(gateway.said.uuid), (gateway.address,), offers)

    async def join(
        self,
        gateway: FoundGateway,
        offer: Offer,
        passphrase: str,
        joined: Callable[[Announced], None] = lambda _said: None,
    ) -> JoinOutcome:
        """Have `gateway` join `offer`, the passphrase sealed where it has a key; `joined` hears of the 200601.

        Raises NothingHeardError (it may have moved to a network that is not heard from here), RefusedByGatewayError.
        """
        fresh = gateway.said if gateway.said.key is None else await self._fresh(gateway)
        sn = _new_sn()
        question = question_join(fresh.uuid, sn, offer, sealed_for(fresh, offer, passphrase))
        said = await self._joined(gateway, fresh, offer, question, sn)
        joined(said)
        return JoinOutcome(said.ip, said.access_ssid, await self._is_newest(gateway, said, question))

    async def _fresh(self, gateway: FoundGateway) -> Announced:
        """The gateway's newest announcement: a nonce is good once."""
        sn = _new_sn()

        def its_own(heard: Heard, _asker: Requester) -> Announced | None:
            if not isinstance(heard, Announced) or heard.uuid != gateway.said.uuid or heard.sn != sn:
                return None
            if heard.key != gateway.said.key:
                raise RefusedByGatewayError("the gateway's key is another than a moment ago: somebody poses as it")
            return heard

        async with _waiting(self._patience.announcement, "an announcement"):
            return await self._ask(question_who(sn), (gateway.address,), its_own)

    async def _joined(
        self, gateway: FoundGateway, fresh: Announced, offer: Offer, question: bytes, sn: str
    ) -> Announced:
        def outcome(heard: Heard, asker: Requester) -> Announced | None:
            match heard:
                case Refused(status=UdpStatus.WIFI_JOIN_FAILED) if _is_answer(heard.sn, sn, asker, gateway):
                    reason = heard.reason or "it says no more"
                    raise RefusedByGatewayError(f"the gateway did not join (400515): {reason}")
                case Announced(uuid=fresh.uuid, key=fresh.key):
                    # Who moves to that network after it hears no answer, only that the gateway has got there.
                    is_there = heard.access_ssid == offer.ssid and (
                        fresh.key is None or fresh.access_ssid != offer.ssid
                    )
                    return heard if heard.sn == sn or is_there else None
            return None

        async with _waiting(self._patience.join, "the outcome; the gateway may be on the other network now"):
            return await self._ask(question, (gateway.address,), outcome)

    async def _is_newest(self, gateway: FoundGateway, said: Announced, question: bytes) -> bool:
        """Whether 200555 comes. A gateway with our extensions knows a request again, and repeats its whole outcome."""
        places = {gateway.address, IPv4Address(said.ip)} if said.ip else {gateway.address}

        def newest(heard: Heard, asker: Requester) -> bool | None:
            return True if isinstance(heard, FirmwareIsNewest) and asker.address in places else None

        try:
            async with asyncio.timeout(self._patience.firmware):
                return await self._go_on_asking(question, places if said.key else (), newest)
        except TimeoutError:
            return False

    async def _ask(
        self, question: bytes, places: Iterable[IPv4Address], answer: Callable[[Heard, Requester], Answer | None]
    ) -> Answer:
        """Ask at `places`, again and again, until `answer` makes something of what is heard from now on."""
        while not self._heard.empty():
            self._heard.get_nowait()
        return await self._go_on_asking(question, places, answer)

    async def _go_on_asking(
        self, question: bytes, places: Iterable[IPv4Address], answer: Callable[[Heard, Requester], Answer | None]
    ) -> Answer:
        while True:
            for place in places:
                self._endpoint.send(question, place, self._gateway_port)
            try:
                async with asyncio.timeout(self._patience.again):
                    while True:
                        if (found := answer(*await self._heard.get())) is not None:
                            return found
            except TimeoutError:
                continue

    def _received(self, datagram: bytes, asker: Requester) -> None:
        try:
            heard = decode_answer(datagram)
        except MalformedError as error:
            log.debug("answer_not_read", gateway=str(asker.address), reason=str(error))
            return
        if not self._heard.full():
            self._heard.put_nowait((heard, asker))


def sealed_for(gateway: Announced, offer: Offer, passphrase: str) -> str | Sealed:
    """`passphrase` as `gateway` can take it. Raises MalformedError for a key that is none."""
    if not passphrase or gateway.key is None or gateway.nonce is None:
        return passphrase
    bound = Bound(gateway.uuid, offer.ssid, offer.auth, offer.encryption, gateway.nonce)
    return Sealed(gateway.nonce, seal(passphrase, gateway.key, bound))


def _is_answer(said: str | None, sn: str, asker: Requester, gateway: FoundGateway) -> bool:
    """A gateway without the extensions gives no sn back; then it is one if it comes from there."""
    return said == sn or (said is None and asker.address == gateway.address)


def _new_sn() -> str:
    return secrets.token_hex(8)


@asynccontextmanager
async def _waiting(seconds: float, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise NothingHeardError(f"no answer within {seconds:g} s: waited for {what}") from error
