"""Says that the gateway is here (§10, 200601): at start, on a change of address, every so often, and when asked."""

import secrets
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Interface

from gatewayd.model.record import Record
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.datagrams import announcement
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import Rate, TokenBucket
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.seal import GatewayKey, Nonces
from gatewayd.provisioning.ssid import to_text
from gatewayd.provisioning.udp_socket import Requester

_BROADCASTS_ASKED_FOR = Rate(per_s=1, burst=3)


class Discovery:
    """Makes announcements and sends them. `record` is the gateway's own; None while the gateway does not know it."""

    def __init__(
        self,
        record: Callable[[], Record | None],
        key: GatewayKey,
        nonces: Nonces,
        outlet: Responder,
        now: Callable[[], float],
    ) -> None:
        self._record = record
        self._key = key
        self._nonces = nonces
        self._outlet = outlet
        self._now = now
        self._broadcasts = TokenBucket(_BROADCASTS_ASKED_FOR, now())
        self.link: WifiLink | None = None
        """The Wi-Fi network that is joined, as last known."""

    def announce(self, subnets: Iterable[Subnet]) -> bool:
        """Tell everybody on `subnets`. False while there is nothing to tell: the gateway does not know itself yet."""
        for subnet in subnets:
            if (datagram := self._announcement(subnet.address)) is not None:
                self._outlet.broadcast(datagram, subnet)
        return self._record() is not None

    def announce_joined(self, link: WifiLink, askers: Collection[Requester], sn: str | None) -> None:
        """Tell `askers`, and everybody, of the address that a network just joined gave."""
        self.link = link
        if (datagram := self._announcement(link.address, sn)) is not None:
            self._outlet.outcome(datagram, askers)

    def answer(self, asker: Requester, sn: str | None = None) -> None:
        """Tell the asker, and everybody beside him unless they have just heard it."""
        subnet = self._outlet.subnet_of(asker)
        datagram = None if subnet is None else self._announcement(subnet.address, sn)
        if datagram is None:
            return
        if self._broadcasts.take(1, self._now()):
            self._outlet.answer(datagram, (asker,))
        else:
            self._outlet.direct(datagram, asker)

    def answer_joined(self, link: WifiLink, asker: Requester, sn: str | None) -> None:
        """Tell `asker` once more what `announce_joined` said."""
        if (datagram := self._announcement(link.address, sn)) is not None:
            self._outlet.direct(datagram, asker)

    def _announcement(self, address: IPv4Interface, sn: str | None = None) -> bytes | None:
        if (record := self._record()) is None:
            return None
        return announcement(
            record,
            sn=sn or secrets.token_hex(8),
            ip=str(address.ip),
            access_ssid=None if self.link is None else to_text(self.link.ssid),
            key=self._key.public,
            nonce=self._nonces.current(self._now()),
        )
