"""Everything that the daemon connects to, simulated on loopback: coordinator and devices, REST, broker, users.

The demo, tests and benchmarks start it, and start the daemon with its addresses.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
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
_NEWEST_FIRMWARE: Final = "9.9.9"


@dataclass(frozen=True, slots=True)
class Environment:
    """The running parts, and where they listen."""

    network: SimulatedNetwork
    radio_url: str  # socket://host:port
    cloud: SimulatedCloud
    broker: Broker
    udp_ports: tuple[int, int]  # of the gateway, and of phones

    @asynccontextmanager
    async def phone(self, user: str = OWNER, name: str = "phone") -> AsyncIterator[AppClient]:
        """The app on a phone of `user`, connected to the broker."""
        async with AppClient.connect(self.broker.host, self.broker.port, user, PASSWORD, name=name) as phone:
            yield phone


@asynccontextmanager
async def simulated_environment(
    network: SimulatedNetwork | None = None,
    *,
    users: Sequence[str] = (),
    superusers: Sequence[str] = (),
    brokers: Sequence[BrokerKind] = KINDS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Environment]:
    """Run `network` (default: one without devices), a cloud with OWNER and GUEST, and a broker.

    `users` have an account at the broker too; `superusers` among them may read and write all topics. The broker is
    the first of `brokers` that is installed. `now` is the cloud's clock; with `tls` it speaks HTTPS. Raises
    BrokerError.
    """
    if network is None:
        network = SimulatedNetwork(coordinator_ieee=COORDINATOR, seed=1)
        network.form()  # forming would take bellows eight seconds
    async with AsyncExitStack() as stack:
        radio_url = await stack.enter_async_context(network.serve())
        cloud = await stack.enter_async_context(SimulatedCloud(now=now, shows_member_ids=True).serve(tls=tls))
        for user in (OWNER, GUEST):
            cloud.register(user, PASSWORD)
        cloud.add_version(_NEWEST_FIRMWARE)
        accounts = cloud.mqtt_accounts() | dict.fromkeys(users, PASSWORD)
        grants = {OWNER: [GUEST]} | {user: ["#"] for user in superusers}
        broker = await stack.enter_async_context(Broker.start(accounts, grants=grants, kinds=brokers))
        yield Environment(network, radio_url, cloud, broker, (free_port(SOCK_DGRAM), free_port(SOCK_DGRAM)))


def daemon_toml(environment: Environment, folder: Path) -> str:
    """The configuration of `gatewayd run` in this environment, with state and admin socket in `folder`.

    Writes OWNER's password to a file there, too.
    """
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    listen_port, announce_port = environment.udp_ports
    return f'''
[gateway]
state_dir = "{folder}"
[radio]
path = "{environment.radio_url}"
[cloud]
base_url = "{environment.cloud.base_url}"
username = "{OWNER}"
password_file = "{password}"
[mqtt]
host = "{environment.broker.host}"
port = {environment.broker.port}
[udp]
listen_port = {listen_port}
announce_port = {announce_port}
interfaces = ["lo"]
[wifi]
backend = "none"
[admin]
socket = "{folder}/admin.sock"
'''
