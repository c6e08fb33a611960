"""A gateway's provisioning on real UDP sockets on loopback, and a phone's socket; only the Wi-Fi is simulated."""

import asyncio
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from gatewayd.provisioning.rate_limit import RateLimits
from gatewayd.provisioning.seal import GatewayKey
from gatewayd.provisioning.service import GatewayContext, ProvisioningService, UdpPorts
from gatewayd.provisioning.udp_socket import Sender, UdpSocket
from gatewayd.provisioning.window import ProvisioningWindow
from gatewayd.simulator.wifi import SimulatedWifi
from gatewayd.token_bucket import Rate

GATEWAY = Uuid("00158d0000d04700")

LOOPBACK = Subnet("lo", IPv4Interface("127.0.0.1/8"), IPv4Address("127.255.255.255"))

RECORD = Record(
    uuid=GATEWAY,
    category=Category.GATEWAY,
    type_sub="AA01GW-UG",
    title="4K智能管家",
    param=GatewayParam(access_pass="never-sent"),
)

UNLIMITED = RateLimits(each_source=Rate(1e6, 1e6), total=Rate(1e6, 1e6), answers=Rate(1e9, 1e9))

TIMEOUT_S = 10.0


async def ignore_addresses(_subnets: tuple[Subnet, ...]) -> None:
    """`GatewayContext.on_addresses` that does nothing."""


async def ignore_joined(_link: WifiLink) -> None:
    """`GatewayContext.on_joined` that does nothing."""


async def firmware_is_newest() -> bool:
    """`GatewayContext.is_newest` of a gateway whose firmware is the newest."""
    return True


class MemorySecretStore:
    """A SecretStore in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.is_full = False
        """True: `put` fails."""

    async def get(self, name: str) -> bytes | None:
        return self.stored.get(name)

    async def put(self, name: str, secret: bytes) -> None:
        if self.is_full:
            raise StoreError("the disk is full")
        self.stored[name] = secret


class PhoneSocket:
    """A phone's socket: sends to the gateway on `gateway_port`, and queues the datagrams received."""

    def __init__(self, gateway_port: int) -> None:
        self._gateway_port = gateway_port
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._socket = UdpSocket(self._on_datagram)

    def _on_datagram(self, datagram: bytes, _sender: Sender) -> None:
        self._received.put_nowait(msgspec.json.decode(datagram))

    def bound(self, port: int, *, is_shared: bool = False) -> AbstractAsyncContextManager[int]:
        """Bind the socket for the length of the block, as `UdpSocket.bound`."""
        return self._socket.bound(port, is_shared=is_shared)

    def send(self, message: dict[str, Any] | bytes) -> None:
        """Send `message` to the gateway."""
        datagram = message if isinstance(message, bytes) else msgspec.json.encode(message)
        self.send_to(datagram, self._gateway_port)

    def send_to(self, datagram: bytes, port: int) -> None:
        """Send `datagram` to `port` of this machine."""
        self._socket.send(datagram, IPv4Address("127.0.0.1"), port)

    async def receive(self, *statuses: int) -> dict[str, Any]:
        """The next datagram with one of `statuses`; others are dropped."""
        async with asyncio.timeout(TIMEOUT_S):
            while (message := await self._received.get())["status"] not in statuses:
                pass
        return message

    def received_so_far(self) -> list[int]:
        """The statuses of the datagrams received and not read yet."""
        return [self._received.get_nowait()["status"] for _ in range(self._received.qsize())]


@dataclass
class Gateway:
    """A gateway whose provisioning runs."""

    wifi: SimulatedWifi
    service: ProvisioningService
    window: ProvisioningWindow
    key: GatewayKey
    port: int
    announce_port: int
    joined: list[WifiLink]
    secret_store: MemorySecretStore

    @asynccontextmanager
    async def phone(self, port: int = 0) -> AsyncIterator[PhoneSocket]:
        phone = PhoneSocket(self.port)
        async with phone.bound(port):
            yield phone

    def admission_counts(self) -> dict[str, int]:
        """How many datagrams were read or dropped, by reason."""
        return {admission.name: count for admission, count in self.service.admissions.items()}

    def now(self) -> float:
        """The gateway's clock."""
        return time.monotonic()

    async def wait_until_handled(self) -> None:
        """Wait until everything sent before this has been handled: until a discovery request sent now is answered."""
        async with self.phone() as phone:
            phone.send({"msg": {"category": "gw", "sn": "last"}, "status": 200501})
            await phone.receive(200601)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running_gateway(
    wifi: SimulatedWifi | None = None,
    *,
    provisioned: bool = False,
    sealed_only: bool = False,
    limits: RateLimits = UNLIMITED,
    announce_interval_s: float = 3600,
    is_newest: Callable[[], Awaitable[bool]] = firmware_is_newest,
    subnet: Subnet = LOOPBACK,
) -> AsyncIterator[Gateway]:
    """A gateway on a free port, which takes `subnet` for its own."""
    secret_store = MemorySecretStore()
    wifi = wifi or SimulatedWifi()
    key = await GatewayKey.load(secret_store)
    window = ProvisioningWindow(secret_store, is_provisioned=provisioned)
    joined: list[WifiLink] = []

    async def on_joined(link: WifiLink) -> None:
        joined.append(link)

    announce_port = free_udp_port()
    context = GatewayContext(
        record=lambda: RECORD,
        read_subnets=lambda: (subnet,),
        is_newest=is_newest,
        on_joined=on_joined,
        on_addresses=ignore_addresses,
        now=time.monotonic,
    )
    service = ProvisioningService(
        context,
        wifi,
        key,
        window,
        ports=UdpPorts(0, announce_port),
        announce_interval_s=announce_interval_s,
        sealed_only=sealed_only,
        limits=limits,
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(service.run())
        port = await asyncio.wait_for(service.bound, TIMEOUT_S)
        yield Gateway(wifi, service, window, key, port, announce_port, joined, secret_store)
        task.cancel()


@pytest.fixture(autouse=True)
def log_to_stderr() -> Iterator[None]:
    """Log as the daemon does, from level info on, and not to standard output, where a command has its results."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as gateway:
        yield gateway
