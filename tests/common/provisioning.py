"""A gateway's provisioning on real UDP sockets, on loopback; the air is simulated, and so is nothing else."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import msgspec
import pytest
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.model.ids import Category, Uuid
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.wifi import WifiLink
from gatewayd.provisioning.interfaces import Subnet
from gatewayd.provisioning.rate_limit import Rate, RateLimits
from gatewayd.provisioning.seal import GatewayKey
from gatewayd.provisioning.service import GatewayContext, Ports, ProvisioningService
from gatewayd.provisioning.udp_socket import Requester, UdpSocket
from gatewayd.provisioning.window import ProvisioningWindow
from gatewayd.simulator.wifi import SimulatedWifi

GATEWAY = Uuid("00158d0000d04700")


LOOPBACK = Subnet("lo", IPv4Interface("127.0.0.1/8"), IPv4Address("127.255.255.255"))


RECORD = Record(
    uuid=GATEWAY,
    category=Category.GATEWAY,
    type_sub="AA01GW-UG",
    title="4K智能管家",
    param=GatewayParam(access_pass="never-said-aloud"),
)


WIDE = RateLimits(each_source=Rate(1e6, 1e6), total=Rate(1e6, 1e6), answers=Rate(1e9, 1e9))


PATIENCE_S = 10.0


async def nobody_cares(_subnets: tuple[Subnet, ...]) -> None:
    """For who does not want to hear of addresses."""


async def nothing_is_newer() -> bool:
    """The cloud's word on the firmware."""
    return True


class Drawer:
    """Keeps bytes by name, as the store's vault does."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.broken = False

    async def get(self, name: str) -> bytes | None:
        return self.kept.get(name)

    async def put(self, name: str, secret: bytes) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.kept[name] = secret


class Socket:
    """A phone's socket: sends to the gateway, and keeps what it hears."""

    def __init__(self, port: int) -> None:
        self._gateway = port
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.endpoint = UdpSocket(self._received)
        self.port = 0

    def _received(self, datagram: bytes, _asker: Requester) -> None:
        self._heard.put_nowait(msgspec.json.decode(datagram))

    def send(self, word: dict[str, Any] | bytes) -> None:
        """Say `word` to the gateway."""
        datagram = word if isinstance(word, bytes) else msgspec.json.encode(word)
        self.endpoint.send(datagram, IPv4Address("127.0.0.1"), self._gateway)

    async def hears(self, *statuses: int) -> dict[str, Any]:
        """The next datagram with one of `statuses`; others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while (word := await self._heard.get())["status"] not in statuses:
                pass
        return word

    def heard_so_far(self) -> list[int]:
        """The statuses of what is there and was not read yet."""
        return [self._heard.get_nowait()["status"] for _ in range(self._heard.qsize())]


@dataclass
class Gateway:
    """A gateway's provisioning, running."""

    wifi: SimulatedWifi
    service: ProvisioningService
    window: ProvisioningWindow
    key: GatewayKey
    port: int
    announce_port: int
    joined: list[WifiLink]
    drawer: Drawer

    @asynccontextmanager
    async def phone(self, port: int = 0) -> AsyncIterator[Socket]:
        socket = Socket(self.port)
        async with socket.endpoint.bound(port) as socket.port:
            yield socket

    def verdict_counts(self) -> dict[str, int]:
        """What became of the datagrams."""
        return {verdict.name: count for verdict, count in self.service.verdicts.items()}

    def now(self) -> float:
        """The clock that the gateway goes by."""
        return time.monotonic()

    async def settled(self) -> None:
        """Everything that was sent before this has been handled: a discovery is answered after it."""
        async with self.phone() as phone:
            phone.send({"msg": {"category": "gw", "sn": "settled"}, "status": 200501})
            await phone.hears(200601)


def free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("0.0.0.0", 0))
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    wifi: SimulatedWifi | None = None,
    *,
    provisioned: bool = False,
    sealed_only: bool = False,
    limits: RateLimits = WIDE,
    announce_interval_s: float = 3600,
    is_newest: Callable[[], Awaitable[bool]] = nothing_is_newer,
) -> AsyncIterator[Gateway]:
    """One gateway on a free port."""
    drawer = Drawer()
    wifi = wifi or SimulatedWifi()
    key = await GatewayKey.load(drawer)
    window = ProvisioningWindow(drawer, is_provisioned=provisioned)
    joined: list[WifiLink] = []

    async def on_joined(link: WifiLink) -> None:
        joined.append(link)

    announce_port = free_port()
    network = GatewayContext(
        record=lambda: RECORD,
        own=lambda: (LOOPBACK,),
        is_newest=is_newest,
        joined=on_joined,
        addressed=nobody_cares,
        now=time.monotonic,
    )
    service = ProvisioningService(
        network,
        wifi,
        key,
        window,
        ports=Ports(0, announce_port),
        announce_interval_s=announce_interval_s,
        sealed_only=sealed_only,
        limits=limits,
    )
    async with asyncio.TaskGroup() as tasks:
        part = tasks.create_task(service.run())
        port = await asyncio.wait_for(service.bound, PATIENCE_S)
        yield Gateway(wifi, service, window, key, port, announce_port, joined, drawer)
        part.cancel()


@pytest.fixture(autouse=True)
def as_the_daemon_logs() -> Iterator[None]:
    """From level info on, and not to where a command in this process has its results."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as gateway:
        yield gateway
