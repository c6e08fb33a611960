"""Where a datagram that the guard let in is read and handed to who answers it."""

from collections.abc import Callable
from typing import Final

import structlog

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Uuid
from gatewayd.model.record import Record
from gatewayd.provisioning.datagrams import (
    Discover,
    JoinNetwork,
    ListNetworks,
    MalformedJoinError,
    decode,
    join_failed,
)
from gatewayd.provisioning.discovery import Discovery
from gatewayd.provisioning.join import JoinRequests
from gatewayd.provisioning.rate_limit import Rate, TokenBucket
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import ScanRequests
from gatewayd.provisioning.seal import PassphraseOpener
from gatewayd.provisioning.udp_socket import Requester
from gatewayd.provisioning.window import ProvisioningWindow

log = structlog.get_logger()

_SAID: Final = Rate(per_s=0.1, burst=10)
"""Refusals logged: whoever shares the network may cause them, and flash wears."""


class Dispatcher:
    """Holds nothing but who does what."""

    def __init__(
        self,
        record: Callable[[], Record | None],
        discovery: Discovery,
        listing: ScanRequests,
        joining: JoinRequests,
        unsealing: PassphraseOpener,
        window: ProvisioningWindow,
        outlet: Responder,
        now: Callable[[], float],
    ) -> None:
        self._record = record
        self._discovery = discovery
        self._listing = listing
        self._joining = joining
        self._unsealing = unsealing
        self._window = window
        self._outlet = outlet
        self._now = now
        self._said = TokenBucket(_SAID, now())

    def take(self, datagram: bytes, asker: Requester) -> None:
        """Read `datagram` and see to it that `asker` is answered."""
        try:
            word = decode(datagram)
        except MalformedJoinError as error:
            self._refuse(asker, str(error))
            return
        except MalformedError as error:
            log.debug("datagram_not_read", asker=str(asker.address), reason=str(error))
            return
        match word:
            case Discover():
                self._discovery.answer(asker, word.sn)
            case ListNetworks() if self._is_meant(word.uuid):
                self._listing.ask(asker)
            case JoinNetwork() if self._is_meant(word.uuid):
                self._join(word, datagram, asker)

    def _join(self, word: JoinNetwork, datagram: bytes, asker: Requester) -> None:
        if self._joining.is_known(datagram):
            self._joining.again(asker)
        elif not self._window.is_open(self._now()):
            self._refuse(asker, "the provisioning window is shut; open it with gatewayctl or the button", word.sn)
        elif self._joining.is_busy:
            self._refuse(asker, "the gateway is joining a network already; wait for its outcome", word.sn)
        else:
            try:
                choice = self._unsealing.choice(word, self._listing.names, self._uuid(), self._now())
            except MalformedError as error:
                self._refuse(asker, str(error), word.sn)
            else:
                self._joining.begin(datagram, word.sn, choice, asker)

    def _refuse(self, asker: Requester, reason: str, sn: str | None = None) -> None:
        if self._said.take(1, self._now()):
            log.info("join_refused", asker=str(asker.address), reason=reason)
        self._outlet.direct(join_failed(reason, sn), asker)

    def _is_meant(self, uuid: str | None) -> bool:
        return uuid is None or uuid == self._uuid()

    def _uuid(self) -> Uuid | None:
        record = self._record()
        return None if record is None else record.uuid
