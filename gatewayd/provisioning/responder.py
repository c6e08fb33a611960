"""Sends what the gateway answers: to the requester directly, and as a broadcast to the announce port of a subnet.

The content is left to `discovery`, `scan` and `join`; the budget for answers to `rate_limit`.
"""

from collections.abc import Callable, Collection, Iterable

from gatewayd.provisioning.interfaces import LocalSubnets, Subnet
from gatewayd.provisioning.rate_limit import RateLimiter
from gatewayd.provisioning.udp_socket import Sender, UdpSocket


class Responder:
    """Sends only to hosts of the gateway's own subnets. `now` is monotonic, in seconds."""

    def __init__(
        self,
        socket: UdpSocket,
        announce_port: int,
        rate_limiter: RateLimiter,
        local_subnets: LocalSubnets,
        now: Callable[[], float],
    ) -> None:
        self._socket = socket
        self._announce_port = announce_port
        self._rate_limiter = rate_limiter
        self._local_subnets = local_subnets
        self._now = now

    def reply(self, datagram: bytes, requester: Sender) -> None:
        """Send to `requester` alone, within the budget for answers."""
        if self._rate_limiter.admit_answer(len(datagram), self._now()):
            self._send(datagram, requester)

    def reply_and_broadcast(self, datagram: bytes, requesters: Collection[Sender]) -> None:
        """Send to `requesters`, and to everybody on their subnets, within the budget for answers."""
        for requester in requesters:
            self.reply(datagram, requester)
        for subnet in self._subnets_of(requesters):
            if self._rate_limiter.admit_answer(len(datagram), self._now()):
                self.broadcast(datagram, subnet)

    def send_join_outcome(self, datagram: bytes, requesters: Collection[Sender]) -> None:
        """Send to `requesters` and to everybody on the present subnets, outside the budget for answers.

        The number of joins bounds these; within the budget a flood of requests could suppress an outcome.
        """
        subnets = self._local_subnets.refresh()
        for requester in requesters:
            self._send(datagram, requester)
        for subnet in subnets:
            self.broadcast(datagram, subnet)

    def broadcast(self, datagram: bytes, subnet: Subnet) -> None:
        """Send to everybody on `subnet`, outside the budget for answers."""
        self._socket.send(datagram, subnet.broadcast, self._announce_port)

    def subnet_of(self, requester: Sender) -> Subnet | None:
        """The gateway's subnet that `requester` is on; None where it is on none."""
        return next((subnet for subnet in self._local_subnets.current if subnet.has_host(requester.address)), None)

    def _subnets_of(self, requesters: Iterable[Sender]) -> set[Subnet]:
        return {subnet for requester in requesters if (subnet := self.subnet_of(requester)) is not None}

    def _send(self, datagram: bytes, requester: Sender) -> None:
        """Send, unless the gateway has left the requester's subnet."""
        if self.subnet_of(requester) is not None:
            self._socket.send(datagram, requester.address, requester.port)
