"""Where answers go: to the announce port of everybody on a subnet, and straight back to whoever asked."""

from collections.abc import Callable, Collection, Iterable

from gatewayd.provisioning.endpoint import Asker, Endpoint
from gatewayd.provisioning.guard import Guard
from gatewayd.provisioning.interfaces import Subnet


class Outlet:
    """Sends; `own` says which subnets the gateway is on now, `now` is monotonic, in seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        announce_port: int,
        guard: Guard,
        own: Callable[[], tuple[Subnet, ...]],
        now: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._announce_port = announce_port
        self._guard = guard
        self._own = own
        self._now = now

    def direct(self, datagram: bytes, askers: Iterable[Asker]) -> None:
        """To the askers alone, of those who are on the gateway's subnets still."""
        for asker in askers:
            if self.subnet_of(asker) is not None and self._guard.may_answer(len(datagram), self._now()):
                self._endpoint.send(datagram, asker.address, asker.port)

    def answer(self, datagram: bytes, askers: Collection[Asker]) -> None:
        """To the askers, and to everybody beside them."""
        self.direct(datagram, askers)
        for subnet in {subnet for asker in askers if (subnet := self.subnet_of(asker)) is not None}:
            if self._guard.may_answer(len(datagram), self._now()):
                self.broadcast(datagram, subnet)

    def tell_all(self, datagram: bytes) -> None:
        """To everybody on every subnet: what the gateway itself has to say, outside the budget of answers."""
        for subnet in self._own():
            self.broadcast(datagram, subnet)

    def broadcast(self, datagram: bytes, subnet: Subnet) -> None:
        """To everybody on `subnet`."""
        self._endpoint.send(datagram, subnet.broadcast, self._announce_port)

    def subnet_of(self, asker: Asker) -> Subnet | None:
        """The gateway's subnet that `asker` is on; None where it is on none."""
        return next((subnet for subnet in self._own() if subnet.has_host(asker.address)), None)
