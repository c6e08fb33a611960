"""Decodes the datagrams that `rate_limit` admits, and hands each request to the part that answers it.

Here is decided whether a 200554 is carried out: addressed to this gateway, window open, no join running.
"""

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
    encode_join_failed,
)
from gatewayd.provisioning.discovery import Discovery
from gatewayd.provisioning.join import JoinRequests
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import ScanRequests
from gatewayd.provisioning.seal import PassphraseOpener
from gatewayd.provisioning.udp_socket import Sender
from gatewayd.provisioning.window import ProvisioningWindow
from gatewayd.token_bucket import Rate, TokenBucket

log = structlog.get_logger()

_REFUSALS_LOGGED: Final = Rate(per_s=0.1, burst=10)
"""Any host of the network can cause refusals, and each log line wears the flash."""


class Dispatcher:
    """`record` returns the gateway's own record, None before it is known. `now` is monotonic, in seconds."""

    def __init__(
        self,
        record: Callable[[], Record | None],
        discovery: Discovery,
        scans: ScanRequests,
        joins: JoinRequests,
        opener: PassphraseOpener,
        window: ProvisioningWindow,
        responder: Responder,
        now: Callable[[], float],
    ) -> None:
        self._record = record
        self._discovery = discovery
        self._scans = scans
        self._joins = joins
        self._opener = opener
        self._window = window
        self._responder = responder
        self._now = now
        self._refusals_logged = TokenBucket(_REFUSALS_LOGGED, now())

    def dispatch(self, datagram: bytes, requester: Sender) -> None:
        """Decode `datagram` and have it answered.

        A malformed 200554 is answered with 400515; any other malformed datagram, and a request for another gateway,
        is dropped.
        """
        try:
            request = decode(datagram)
        except MalformedJoinError as error:
            self._refuse(requester, str(error))
            return
        except MalformedError as error:
            log.debug("datagram_not_read", requester=str(requester.address), reason=str(error))
            return
        match request:
            case Discover():
                self._discovery.answer(requester, request.sn)
            case ListNetworks() if self._is_addressed(request.uuid):
                self._scans.add(requester)
            case JoinNetwork() if self._is_addressed(request.uuid):
                self._join(request, datagram, requester)

    def _join(self, request: JoinNetwork, datagram: bytes, requester: Sender) -> None:
        if self._joins.is_repetition(datagram):
            self._joins.answer_repetition(requester)
        elif not self._window.is_open(self._now()):
            reason = "the provisioning window is shut; open it with gatewayctl or the button"
            self._refuse(requester, reason, request.sn)
        elif self._joins.is_busy:
            self._refuse(requester, "the gateway is joining a network already; wait for its outcome", request.sn)
        else:
            try:
                credentials = self._opener.open(request, self._scans.ssids, self._uuid(), self._now())
            except MalformedError as error:
                self._refuse(requester, str(error), request.sn)
            else:
                self._joins.start(datagram, request.sn, credentials, requester)

    def _refuse(self, requester: Sender, reason: str, sn: str | None = None) -> None:
        if self._refusals_logged.take(self._now()):
            log.info("join_refused", requester=str(requester.address), reason=reason)
        self._responder.reply(encode_join_failed(reason, sn), requester)

    def _is_addressed(self, uuid: str | None) -> bool:
        """True where the request names this gateway, or none."""
        return uuid is None or uuid == self._uuid()

    def _uuid(self) -> Uuid | None:
        record = self._record()
        return None if record is None else record.uuid
