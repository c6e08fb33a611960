"""The whole of provisioning as one part: `run()` is found by phones, lists networks and joins one (§10, §13).

Wi-Fi itself, the gateway's record, the cloud and the place where keys are kept come in as parameters.
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
from gatewayd.provisioning.interfaces import Changes, Neighbourhood, Subnet
from gatewayd.provisioning.join import JoinRequests
from gatewayd.provisioning.rate_limit import Admission, RateLimiter, RateLimits
from gatewayd.provisioning.responder import Responder
from gatewayd.provisioning.scan import ScanRequests
from gatewayd.provisioning.seal import GatewayKey, Nonces, PassphraseOpener, SecretStore, fingerprint
from gatewayd.provisioning.udp_socket import Requester, UdpSocket
from gatewayd.provisioning.wifi import Wifi
from gatewayd.provisioning.window import ProvisioningWindow

log = structlog.get_logger()

_BIND_AGAIN_S: Final = 30.0
_UNKNOWN_AGAIN_S: Final = 1.0
_KEEP_AGAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Ports:
    """§10: 9820 is heard, 9830 is spoken to."""

    listen: int = 9820
    announce: int = 9830


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What provisioning needs of the rest of the daemon.

    `record`: the gateway's own (§12.1), None while nobody knows it. `own`: the subnets of this machine now.
    `is_newest`: asks the cloud about the firmware; raises CloudError. `joined`: hears of each network joined;
    `addressed`: of the subnets, at start, on a change and every now and then.
    """

    record: Callable[[], Record | None]
    own: Callable[[], tuple[Subnet, ...]]
    is_newest: Callable[[], Awaitable[bool]]
    joined: Callable[[WifiLink], Awaitable[None]]
    addressed: Callable[[tuple[Subnet, ...]], Awaitable[None]]
    now: Callable[[], float]


class ProvisioningService:
    """Times are monotonic seconds."""

    def __init__(
        self,
        around: GatewayContext,
        wifi: Wifi,
        key: GatewayKey,
        window: ProvisioningWindow,
        *,
        ports: Ports,
        announce_interval_s: float,
        sealed_only: bool,
        limits: RateLimits | None = None,
    ) -> None:
        self.verdicts: Counter[Admission] = Counter()
        """What became of the datagrams that came in."""
        self.bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The port that is heard, once it is."""
        self._reported: dict[str, int] = {}
        self._around = around
        self._wifi = wifi
        self._key = key
        self._window = window
        self._ports = ports
        self._announce_interval_s = announce_interval_s
        self._neighbourhood = Neighbourhood(around.own)
        self._guard = RateLimiter(limits or RateLimits(), around.now())
        self._endpoint = UdpSocket(self._received)
        outlet = Responder(self._endpoint, ports.announce, self._guard, self._neighbourhood, around.now)
        nonces, radio = Nonces(), asyncio.Lock()
        self._discovery = Discovery(around.record, key, nonces, outlet, around.now)
        self._listing = ScanRequests(wifi, radio, outlet, around.now)
        self._joining = JoinRequests(
            wifi,
            radio,
            outlet,
            joined=self._joined,
            joined_before=self._discovery.answer_joined,
            is_newest=around.is_newest,
            now=around.now,
        )
        self._desk = Dispatcher(
            around.record,
            self._discovery,
            self._listing,
            self._joining,
            PassphraseOpener(key, nonces, sealed_only=sealed_only),
            window,
            outlet,
            around.now,
        )

    @classmethod
    async def load(
        cls,
        around: GatewayContext,
        wifi: Wifi,
        keep: SecretStore,
        *,
        ports: Ports,
        announce_interval_s: float,
        sealed_only: bool,
    ) -> "ProvisioningService":
        """With the key and the window's state that the last run left in `keep`. Raises StoreError."""
        return cls(
            around,
            wifi,
            await GatewayKey.load(keep),
            await ProvisioningWindow.load(keep),
            ports=ports,
            announce_interval_s=announce_interval_s,
            sealed_only=sealed_only,
        )

    async def run(self) -> None:
        """Until cancelled. A port that somebody else has is tried again and again."""
        while True:
            try:
                with Changes.followed() as changes:
                    async with self._endpoint.bound(self._ports.listen) as port, asyncio.TaskGroup() as tasks:
                        log.info("provisioning_reachable", port=port)
                        if not self.bound.done():
                            self.bound.set_result(port)
                        tasks.create_task(self._listing.run())
                        tasks.create_task(self._joining.run())
                        tasks.create_task(self._announce(changes))
            except OSError as error:
                log.warning("provisioning_not_reachable", port=self._ports.listen, reason=str(error))
                await asyncio.sleep(_BIND_AGAIN_S)

    @property
    def fingerprint(self) -> str:
        """Of the gateway's key: what an installer compares."""
        return fingerprint(self._key.public)

    @property
    def window_is_open(self) -> bool:
        """Whether a phone may put the gateway on a network now."""
        return self._window.is_open(self._around.now())

    @property
    def window_has_no_end(self) -> bool:
        """True until the gateway has reached the cloud once."""
        return self._window.has_no_end

    def open_window(self, seconds: float) -> bool:
        """Let phones put the gateway on a network for `seconds` (0: no longer). Says whether the window is open now."""
        self._window.open_for(seconds, self._around.now())
        is_open = self._window.is_open(self._around.now())
        log.info("provisioning_window_set", seconds=seconds, is_open=is_open)
        return is_open

    async def uplink_works(self) -> None:
        """The gateway has reached the cloud: from now on the window opens on request only, after a restart too.

        Returns once that is kept; a disk that is full now is tried again.
        """
        while True:
            try:
                await self._window.uplink_works()
            except StoreError as error:
                log.warning("window_not_kept_shut", reason=str(error))
                await asyncio.sleep(_KEEP_AGAIN_S)
            else:
                return

    def _received(self, datagram: bytes, asker: Requester) -> None:
        verdict = self._guard.admit(asker.address, len(datagram), self._neighbourhood.subnets, self._around.now())
        self.verdicts[verdict] += 1
        if verdict is Admission.ADMITTED:
            self._desk.take(datagram, asker)

    async def _announce(self, changes: Changes) -> None:
        """At start, on a change of address, and every so often."""
        said: tuple[Subnet, ...] | None = None
        due = self._around.now()
        while True:
            subnets = self._neighbourhood.look()
            is_new = subnets != said
            if is_new:
                _log_addresses(subnets)
            if (is_due := self._around.now() >= due) or is_new:
                await self._look_at_link()
            if is_due:
                self._report_dropped()
                known = self._discovery.announce(subnets)
                due = self._around.now() + (self._announce_interval_s if known else _UNKNOWN_AGAIN_S)
            else:
                self._discovery.announce(subnet for subnet in subnets if subnet not in (said or ()))
            said = subnets
            await self._said_addresses(subnets)
            await changes.wait(due - self._around.now())

    async def _said_addresses(self, subnets: tuple[Subnet, ...]) -> None:
        try:
            await self._around.addressed(subnets)
        except GatewayError as error:
            log.warning("addresses_not_kept", reason=str(error))

    async def _look_at_link(self) -> None:
        """For the announcements, which nobody hears before the gateway knows itself."""
        if self._around.record() is None:
            return
        before = self._discovery.link
        try:
            link = await self._wifi.link()
        except GatewayError as error:
            log.warning("wifi_not_known", reason=str(error))
            link = None
        if self._discovery.link is before:  # else a join has ended meanwhile, which knows better
            self._discovery.link = link

    def _report_dropped(self) -> None:
        """Once an interval at most, however many there are."""
        dropped = {verdict.name: count for verdict, count in self.verdicts.items() if verdict is not Admission.ADMITTED}
        if dropped != self._reported:
            self._reported = dropped
            log.info("datagrams_dropped", so_far=dropped)

    async def _joined(self, link: WifiLink, askers: frozenset[Requester], sn: str | None) -> None:
        self._discovery.announce_joined(link, askers, sn)
        try:
            await self._around.joined(link)
        except GatewayError as error:
            log.warning("joined_network_not_kept", reason=str(error))


def _log_addresses(subnets: tuple[Subnet, ...]) -> None:
    if subnets:
        log.info("addresses_changed", addresses=[f"{subnet.interface} {subnet.address}" for subnet in subnets])
    else:
        log.warning("no_address", remedy="a network that can broadcast, among [udp] interfaces where some are named")
