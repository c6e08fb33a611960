"""A whole world on loopback: a house on the radio, the cloud's REST, a broker, a family. What the demo, tests and
benchmarks start; the daemon is told the addresses and is none of it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import SOCK_DGRAM
from typing import Final

from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.broker import KINDS, Broker, BrokerKind
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.ports import free_port
from gatewayd.simulator.radio import SimulatedNetwork

OWNER: Final = "18900000001"
GUEST: Final = "18900000002"
PASSWORD: Final = "open-sesame-7"  # noqa: S105  (of a simulated account)
COORDINATOR: Final = "00158d0000d04700"


@dataclass(frozen=True, slots=True)
class Environment:
    """Its parts, and where they listen."""

    network: SimulatedNetwork
    radio_url: str  # socket://host:port
    cloud: SimulatedCloud
    broker: Broker
    udp_ports: tuple[int, int]  # where a gateway hears phones, and where phones hear it

    @asynccontextmanager
    async def phone(self, user: str = OWNER, name: str = "phone") -> AsyncIterator[AppClient]:
        """A phone of `user`, connected to the broker."""
        async with AppClient.connect(self.broker.host, self.broker.port, user, PASSWORD, name=name) as phone:
            yield phone


@asynccontextmanager
async def simulated_environment(
    network: SimulatedNetwork | None = None,
    *,
    users: Sequence[str] = (),
    everything: Sequence[str] = (),
    brokers: Sequence[BrokerKind] = KINDS,
) -> AsyncIterator[Environment]:
    """A world that runs until it is left: `network` (or an empty one), a cloud that knows the family, a broker.

    `users` may use the broker too; those in `everything` may read and write all topics there. The first of `brokers`
    that is installed is started.
    """
    if network is None:
        network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=1)
        network.form()  # forming takes bellows eight seconds over TCP, and is not what anybody came to see
    async with AsyncExitStack() as stack:
        radio_url = await stack.enter_async_context(network.serve())
        cloud = await stack.enter_async_context(
            SimulatedCloud(now=lambda: datetime.now(UTC), numbers_members=True).serve()
        )
        for user in (OWNER, GUEST):
            cloud.register(user, PASSWORD)
        cloud.release("9.9.9")
        accounts = cloud.mqtt_accounts() | dict.fromkeys(users, PASSWORD)
        grants = {OWNER: [GUEST]} | {user: ["#"] for user in everything}
        broker = await stack.enter_async_context(Broker.start(accounts, grants=grants, kinds=brokers))
        yield Environment(network, radio_url, cloud, broker, (free_port(SOCK_DGRAM), free_port(SOCK_DGRAM)))
