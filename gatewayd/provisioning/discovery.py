"""Announces the gateway (§10, 200601): at start, at intervals, on a change of address, after a join, and on request.

When to announce is left to `service`; what an announcement contains, to `datagrams`.
"""

import secrets
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Interface
from typing import Final

from gatewayd.model.record import Record
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.datagrams import encode_announcement
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.seal import GatewayKey, Nonces
from gatewayd.provisioning.ssid import to_text
from gatewayd.provisioning.udp_socket import Sender
from gatewayd.token_bucket import Rate, TokenBucket

_BROADCASTS_ON_REQUEST: Final = Rate(per_s=1, burst=3)


class Discovery:
    """`record` returns the gateway's own record (§12.1), None before it is known; without it nothing is announced."""

    def __init__(
        self,
        record: Callable[[], Record | None],
        key: GatewayKey,
        nonces: Nonces,
        responder: Responder,
        now: Callable[[], float],
    ) -> None:
        self._record = record
        self._key = key
        self._nonces = nonces
        self._responder = responder
        self._now = now
        self._broadcasts = TokenBucket(_BROADCASTS_ON_REQUEST, now())
        self.link: WifiLink | None = None
        """The Wi-Fi network that the gateway is on, as last read."""

    def announce(self, subnets: Iterable[Subnet]) -> bool:
        """Broadcast on `subnets`. False where the gateway's record is not known yet."""
        for subnet in subnets:
            if (datagram := self._announcement(subnet.address)) is not None:
                self._responder.broadcast(datagram, subnet)
        return self._record() is not None

    def announce_join(self, link: WifiLink, requesters: Collection[Sender], sn: str | None) -> None:
        """Send the address on the network just joined to `requesters`, and broadcast it; `sn` is the request's."""
        self.link = link
        if (datagram := self._announcement(link.address, sn)) is not None:
            self._responder.send_join_outcome(datagram, requesters)

    def repeat_join(self, link: WifiLink, requester: Sender, sn: str | None) -> None:
        """Send `requester` alone what `announce_join` sent."""
        if (datagram := self._announcement(link.address, sn)) is not None:
            self._responder.reply(datagram, requester)

    def answer(self, requester: Sender, sn: str | None = None) -> None:
        """Answer a discovery request; broadcast the answer as well, unless that was done too often just before."""
        subnet = self._responder.subnet_of(requester)
        datagram = None if subnet is None else self._announcement(subnet.address, sn)
        if datagram is None:
            return
        if self._broadcasts.take(self._now()):
            self._responder.reply_and_broadcast(datagram, (requester,))
        else:
            self._responder.reply(datagram, requester)

    def _announcement(self, address: IPv4Interface, sn: str | None = None) -> bytes | None:
        if (record := self._record()) is None:
            return None
        return encode_announcement(
            record,
            sn=sn or secrets.token_hex(8),
            ip=str(address.ip),
            access_ssid=None if self.link is None else to_text(self.link.ssid),
            key=self._key.public,
            nonce=self._nonces.current(self._now()),
        )
