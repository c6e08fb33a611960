"""Where answers go: to the announce port of everybody on a subnet, and straight back to whoever asked."""

from collections.abc import Callable, Collection, Iterable

from gatewayd.provisioning.interfaces import Neighbourhood, Subnet
from gatewayd.provisioning.rate_limit import RateLimiter
from gatewayd.provisioning.udp_socket import Requester, UdpSocket


class Responder:
    """Sends to the subnets that the gateway is on; `now` is monotonic, in seconds."""

    def __init__(
        self,
        endpoint: UdpSocket,
        announce_port: int,
        guard: RateLimiter,
        around: Neighbourhood,
        now: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._announce_port = announce_port
        self._guard = guard
        self._around = around
        self._now = now

    def direct(self, datagram: bytes, asker: Requester) -> None:
        """To the asker alone, within the budget of answers."""
        if self._guard.may_answer(len(datagram), self._now()):
            self._send(datagram, asker)

    def answer(self, datagram: bytes, askers: Collection[Requester]) -> None:
        """To the askers, and to everybody beside them, within the budget of answers."""
        for asker in askers:
            self.direct(datagram, asker)
        for subnet in self.subnets_of(askers):
            if self._guard.may_answer(len(datagram), self._now()):
                self.broadcast(datagram, subnet)

    def outcome(self, datagram: bytes, askers: Collection[Requester]) -> None:
        """Of a join: to the askers where they are still neighbours, and to everybody on the networks of now.

        Nobody can keep it from them by using up the budget: there is one for each join.
        """
        subnets = self._around.look()
        for asker in askers:
            self._send(datagram, asker)
        for subnet in subnets:
            self.broadcast(datagram, subnet)

    def broadcast(self, datagram: bytes, subnet: Subnet) -> None:
        """To everybody on `subnet`."""
        self._endpoint.send(datagram, subnet.broadcast, self._announce_port)

    def subnet_of(self, asker: Requester) -> Subnet | None:
        """The gateway's subnet that `asker` is on; None where it is on none."""
        return next((subnet for subnet in self._around.subnets if subnet.has_host(asker.address)), None)

    def subnets_of(self, askers: Iterable[Requester]) -> set[Subnet]:
        """The gateway's subnets that `askers` are on."""
        return {subnet for asker in askers if (subnet := self.subnet_of(asker)) is not None}

    def _send(self, datagram: bytes, asker: Requester) -> None:
        """Unless the asker's subnet is the gateway's no longer."""
        if self.subnet_of(asker) is not None:
            self._endpoint.send(datagram, asker.address, asker.port)
