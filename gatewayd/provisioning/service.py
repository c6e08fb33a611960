"""Provisioning as one part of the daemon (§10, §13): phones discover the gateway, list networks and have it join one.

Builds the parts, receives the datagrams and announces the gateway. Wi-Fi, the gateway's record, the cloud and the
storage for secrets come in as parameters.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gatewayd.model.errors import GatewayError, StoreError
from gatewayd.model.record import Record
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.discovery import Discovery
from gatewayd.provisioning.dispatcher import Dispatcher
from gatewayd.provisioning.interfaces import AddressChanges, LocalSubnets, Subnet
from gatewayd.provisioning.join import JoinRequests
from gatewayd.provisioning.rate_limit import RateDecision, RateLimiter, RateLimits
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import ScanRequests
from gatewayd.provisioning.seal import GatewayKey, Nonces, PassphraseOpener, SecretStore, fingerprint
from gatewayd.provisioning.udp_socket import Sender, UdpSocket
from gatewayd.provisioning.wifi import Wifi
from gatewayd.provisioning.window import ProvisioningWindow

log = structlog.get_logger()

BIND_RETRY_S = 30.0
_RECORD_RETRY_S: Final = 1.0
_STORE_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class UdpPorts:
    """§10: the gateway listens on 9820, phones on 9830. `listen` 0: any free port."""

    listen: int = 9820
    announce: int = 9830


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What provisioning needs from the rest of the daemon.

    `record`: the gateway's own record (§12.1), None before it is known.
    `read_subnets`: the subnets of this machine now.
    `is_newest`: asks the cloud whether the firmware is the newest; raises CloudError.
    `on_joined`: called with each network joined. Raises GatewayError.
    `on_addresses`: called with the subnets at start, on a change and at intervals. Raises GatewayError.
    `now`: monotonic seconds.
    """

    record: Callable[[], Record | None]
    read_subnets: Callable[[], tuple[Subnet, ...]]
    is_newest: Callable[[], Awaitable[bool]]
    on_joined: Callable[[WifiLink], Awaitable[None]]
    on_addresses: Callable[[tuple[Subnet, ...]], Awaitable[None]]
    now: Callable[[], float]


class ProvisioningService:
    """`run()` serves phones; the console and the cloud services use the rest. Times are seconds."""

    def __init__(
        self,
        context: GatewayContext,
        wifi: Wifi,
        key: GatewayKey,
        window: ProvisioningWindow,
        *,
        ports: UdpPorts,
        announce_interval_s: float,
        sealed_only: bool,
        limits: RateLimits | None = None,
    ) -> None:
        self.admissions: Counter[RateDecision] = Counter()
        """How many datagrams were read or dropped, by reason."""
        self.bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The port that is listened on, once it is bound."""
        self._reported: dict[str, int] = {}
        self._context = context
        self._wifi = wifi
        self._key = key
        self._window = window
        self._ports = ports
        self._announce_interval_s = announce_interval_s
        self._local_subnets = LocalSubnets(context.read_subnets)
        self._rate_limiter = RateLimiter(limits or RateLimits(), context.now())
        self._socket = UdpSocket(self._on_datagram)
        responder = Responder(self._socket, ports.announce, self._rate_limiter, self._local_subnets, context.now)
        nonces, radio = Nonces(), asyncio.Lock()
        self._discovery = Discovery(context.record, key, nonces, responder, context.now)
        self._scans = ScanRequests(wifi, radio, responder, context.now)
        self._joins = JoinRequests(
            wifi,
            radio,
            responder,
            on_joined=self._on_joined,
            repeat_joined=self._discovery.repeat_join,
            is_newest=context.is_newest,
            now=context.now,
        )
        self._dispatcher = Dispatcher(
            context.record,
            self._discovery,
            self._scans,
            self._joins,
            PassphraseOpener(key, nonces, sealed_only=sealed_only),
            window,
            responder,
            context.now,
        )

    @classmethod
    async def load(
        cls,
        context: GatewayContext,
        wifi: Wifi,
        store: SecretStore,
        *,
        ports: UdpPorts,
        announce_interval_s: float,
        sealed_only: bool,
    ) -> "ProvisioningService":
        """A service with the key and the state of the window in `store`. Raises StoreError."""
        return cls(
            context,
            wifi,
            await GatewayKey.load(store),
            await ProvisioningWindow.load(store),
            ports=ports,
            announce_interval_s=announce_interval_s,
            sealed_only=sealed_only,
        )

    async def run(self) -> None:
        """Serve phones until cancelled. While another program has the port, try again every 30 s."""
        while True:
            try:
                with AddressChanges.subscribed() as changes:
                    async with self._socket.bound(self._ports.listen) as port, asyncio.TaskGroup() as tasks:
                        log.info("provisioning_port_opened", port=port)
                        if not self.bound.done():
                            self.bound.set_result(port)
                        tasks.create_task(self._scans.run())
                        tasks.create_task(self._joins.run())
                        tasks.create_task(self._announce(changes))
            except OSError as error:
                log.warning("provisioning_port_not_opened", port=self._ports.listen, reason=str(error))
                await asyncio.sleep(BIND_RETRY_S)

    @property
    def fingerprint(self) -> str:
        """Of the gateway's key; an installer compares it with what the client shows."""
        return fingerprint(self._key.public)

    @property
    def window_is_open(self) -> bool:
        """True while a phone may put the gateway on a network."""
        return self._window.is_open(self._context.now())

    @property
    def window_has_no_end(self) -> bool:
        """True until the gateway has reached the cloud for the first time."""
        return self._window.has_no_end

    def open_window(self, seconds: float) -> bool:
        """Open the provisioning window for `seconds`, or close it (0). Returns whether it is open now."""
        self._window.open_for(seconds, self._context.now())
        is_open = self.window_is_open
        log.info("provisioning_window_set", seconds=seconds, is_open=is_open)
        return is_open

    async def mark_provisioned(self) -> None:
        """Note that the gateway has reached the cloud: from now on, and after restarts, the window opens on request
        only.

        Returns once that is stored; while the store fails (a full disk), tries again every minute.
        """
        while True:
            try:
                await self._window.mark_provisioned()
            except StoreError as error:
                log.warning("window_not_stored", reason=str(error))
                await asyncio.sleep(_STORE_RETRY_S)
            else:
                return

    def _on_datagram(self, datagram: bytes, sender: Sender) -> None:
        admission = self._rate_limiter.admit(
            sender.address, len(datagram), self._local_subnets.current, self._context.now()
        )
        self.admissions[admission] += 1
        if admission is RateDecision.ADMITTED:
            try:
                self._dispatcher.dispatch(datagram, sender)
            except Exception:  # a fault of ours: the next datagram is read
                log.exception("datagram_failed", requester=str(sender.address), size=len(datagram))

    async def _announce(self, changes: AddressChanges) -> None:
        """Announce on every subnet at start and at intervals, and on a new subnet at once."""
        announced: tuple[Subnet, ...] | None = None
        due = self._context.now()
        while True:
            subnets = self._local_subnets.refresh()
            has_changed = subnets != announced
            if has_changed:
                _log_addresses(subnets)
            is_due = self._context.now() >= due
            if is_due or has_changed:
                await self._refresh_link()
            if is_due:
                self._report_dropped()
                is_record_known = self._discovery.announce(subnets)
                due = self._context.now() + (self._announce_interval_s if is_record_known else _RECORD_RETRY_S)
            else:
                self._discovery.announce(subnet for subnet in subnets if subnet not in (announced or ()))
            announced = subnets
            await self._report_addresses(subnets)
            await changes.wait(due - self._context.now())

    async def _report_addresses(self, subnets: tuple[Subnet, ...]) -> None:
        try:
            await self._context.on_addresses(subnets)
        except GatewayError as error:
            log.warning("addresses_not_stored", reason=str(error))

    async def _refresh_link(self) -> None:
        """Read the Wi-Fi link for the announcements, unless there are none yet for want of a record."""
        if self._context.record() is None:
            return
        before = self._discovery.link
        try:
            link = await self._wifi.link()
        except GatewayError as error:
            log.warning("wifi_link_not_read", reason=str(error))
            link = None
        if self._discovery.link is before:  # else a join has ended meanwhile, and its link is newer
            self._discovery.link = link

    def _report_dropped(self) -> None:
        """Log the counts of dropped datagrams, once an interval at most."""
        dropped = {
            admission.name: count
            for admission, count in self.admissions.items()
            if admission is not RateDecision.ADMITTED
        }
        if dropped != self._reported:
            self._reported = dropped
            log.info("datagrams_dropped", so_far=dropped)

    async def _on_joined(self, link: WifiLink, requesters: frozenset[Sender], sn: str | None) -> None:
        self._discovery.announce_join(link, requesters, sn)
        try:
            await self._context.on_joined(link)
        except GatewayError as error:
            log.warning("joined_network_not_stored", reason=str(error))


def _log_addresses(subnets: tuple[Subnet, ...]) -> None:
    if subnets:
        log.info("addresses_changed", addresses=[f"{subnet.interface} {subnet.address}" for subnet in subnets])
    else:
        log.warning("no_address_found", remedy="a network that can broadcast, among [udp] interfaces if that names any")
