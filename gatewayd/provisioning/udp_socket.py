"""The UDP socket: bytes in, bytes out. What they mean is decided elsewhere; who may be heard is the guard's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Requester:
    """Where a datagram came from."""

    address: IPv4Address
    port: int


Received = Callable[[bytes, Requester], None]


class UdpSocket(asyncio.DatagramProtocol):
    """One socket on one port of every interface."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None

    @asynccontextmanager
    async def bound(self, port: int, *, is_shared: bool = False) -> AsyncIterator[int]:
        """Bind `port` (0: any) as long as this is entered; yields which one. Raises OSError where it is taken.

        Of a port that is shared each of this user's programs hears every broadcast.
        """
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=_everywhere(port), allow_broadcast=True, reuse_port=is_shared
        )
        self._transport = transport
        try:
            yield transport.get_extra_info("sockname")[1]
        finally:
            transport.close()

    def send(self, datagram: bytes, address: IPv4Address, port: int) -> None:
        """Send once; UDP promises nothing, so neither does this."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, (str(address), port))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, Requester(IPv4Address(addr[0]), addr[1]))

    def error_received(self, exc: Exception) -> None:
        """A network that is away now, or an asker who has gone."""
        log.debug("datagram_not_sent", reason=str(exc))


def _everywhere(port: int) -> tuple[str, int]:
    """Broadcasts reach a socket that is bound to no one address; the guard knows the gateway's own subnets."""
    return "0.0.0.0", port  # noqa: S104
