"""The UDP socket of gateway and client: sends and receives datagrams.

What a datagram means is left to `dispatcher` and `client`; whether a sender is answered, to `rate_limit`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sender:
    """The address and port that a datagram came from; answers go there."""

    address: IPv4Address
    port: int


OnDatagram = Callable[[bytes, Sender], None]


class UdpSocket(asyncio.DatagramProtocol):
    """One socket on one port of every interface; calls `on_datagram` for each datagram received."""

    def __init__(self, on_datagram: OnDatagram) -> None:
        self._on_datagram = on_datagram
        self._transport: asyncio.DatagramTransport | None = None

    @asynccontextmanager
    async def bound(self, port: int, *, is_shared: bool = False) -> AsyncIterator[int]:
        """Bind `port` (0: any free one) for the length of the block, and yield its number.

        With `is_shared` other programs of the same user may bind it as well, and each receives every broadcast.
        Raises OSError where the port is taken.
        """
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=_any_address(port), allow_broadcast=True, reuse_port=is_shared
        )
        self._transport = transport
        try:
            yield transport.get_extra_info("sockname")[1]
        finally:
            transport.close()

    def send(self, datagram: bytes, address: IPv4Address, port: int) -> None:
        """Send once, without any guarantee of delivery; does nothing while the socket is not bound."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, (str(address), port))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._on_datagram(data, Sender(IPv4Address(addr[0]), addr[1]))

    def error_received(self, exc: Exception) -> None:
        """Log what the kernel reports: the network is down, or nothing listens on the receiver's port."""
        log.debug("datagram_not_sent", reason=str(exc))


def _any_address(port: int) -> tuple[str, int]:
    """A socket bound to one address receives no broadcasts; `rate_limit` drops what comes from foreign subnets."""
    return "0.0.0.0", port  # noqa: S104
