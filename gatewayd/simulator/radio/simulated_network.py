"""A simulated coordinator with its devices: what tests, benchmarks and the demo use of the simulated radio.

network = SimulatedNetwork(coordinator_ieee="00158d0000d04700", seed=1)
light = network.add(switch("00158d0002a00001", channels=3))
async with network.serve() as url:      # "socket://127.0.0.1:43210", for any EZSP host
    await network.join(light)           # once the host permits joining
    light.press(1)
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from gatewayd.simulator.radio import ezsp
from gatewayd.simulator.radio.device import Description, Device, ExecutedCommand
from gatewayd.simulator.radio.ezsp import EmberDeviceUpdate, EmberJoinDecision, EmberNodeType
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.medium import AWAKE_S, RadioMedium
from gatewayd.simulator.radio.ncp import Ncp
from gatewayd.simulator.radio.network import Flash, NetworkParameters
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.server import serve_pty, serve_tcp
from gatewayd.simulator.radio.session import HostSession
from gatewayd.simulator.radio.zdo import NWK_COORDINATOR

D = TypeVar("D", bound=Device)

_ZCL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_USE_MAC_ASSOCIATION = 0
"""EmberJoinMethod."""
_TX_POWER_DBM = 8
_FIRST_NWK, _LAST_NWK = 0x0001, 0xFFEF


class JoiningNotPermittedError(Exception):
    """The network is closed or down: no device can join."""


class SimulatedNetwork:
    """A coordinator, its devices, the radio medium between them, and faults in all of it.

    `seed` determines addresses, keys and polls; `flash` is the file of the coordinator's flash (None: in memory);
    `latency_s` how long a radio message takes; `announces_reset` whether the coordinator sends RSTACK to each host
    that connects; `now` the scheduler's clock; `wall_clock` the local time that locks use.
    """

    def __init__(
        self,
        coordinator_ieee: str = "00158d0000d04700",
        seed: int = 1,
        *,
        flash: Path | None = None,
        latency_s: float = 0.0,
        announces_reset: bool = True,
        now: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC) + timedelta(hours=8),
    ) -> None:
        self.chance = random.Random(seed)
        self.scheduler = Scheduler(now)
        self.wall_clock = wall_clock
        self.announces_reset = announces_reset
        self.faults = RadioFaults(self.chance, now)
        self.ncp = Ncp(bytes.fromhex(coordinator_ieee)[::-1], Flash.load(flash), self.scheduler)
        self.medium = RadioMedium(self.ncp, self.scheduler, self.faults, latency_s)
        self.devices: dict[str, Device] = {}
        self.on_command: Callable[[Device, ExecutedCommand], None] | None = None
        """Called when a device executes a command, before it acts."""

    # For tests, benchmarks and the demo.

    @property
    def connected(self) -> bool:
        """Whether a host is connected."""
        return self.ncp.host is not None

    def form(self, *, pan_id: int = 0x1A62, channel: int = 15) -> None:
        """Give the coordinator a network, as if formed before, so that a host only starts it."""
        flash = self.ncp.flash
        flash.network = NetworkParameters(
            extended_pan_id=self.ncp.address,
            pan_id=pan_id,
            tx_power=_TX_POWER_DBM,
            channel=channel,
            join_method=_USE_MAC_ASSOCIATION,
            manager=NWK_COORDINATOR,
            update_id=0,
            channels=1 << channel,
        )
        flash.network_key = self.chance.randbytes(16)
        flash.save()

    def add(self, description: Description[D], *, joined: bool = False) -> D:
        """Put a device in range; `joined`: it is in the network, as if it had joined before."""
        device = description.factory(description, self._free_nwk(), self)
        self.devices[device.ieee] = device
        self.medium.add(device)
        device.joined = joined
        return device

    async def join(self, device: Device, *, rejoin: bool = False, new_nwk: bool = False) -> None:
        """The device joins and announces itself; `new_nwk`: with another network address.

        Raises JoiningNotPermittedError.
        """
        if not rejoin and not self.ncp.permits_joining:
            raise JoiningNotPermittedError(f"{device.ieee} cannot join: the network is closed or down")
        if not rejoin:
            device.forget_network()
        if new_nwk:
            self.medium.change_nwk(device, self._free_nwk())
        device.joined = True
        self.medium.wake(device)
        if device.sleepy:
            node_type = EmberNodeType.SLEEPY_END_DEVICE
            self.ncp.send_callback(ezsp.CHILD_JOIN, 0, 1, device.nwk, device.address, node_type)
        update = EmberDeviceUpdate.SECURED_REJOIN if rejoin else EmberDeviceUpdate.UNSECURED_JOIN
        self._report_to_trust_center(device, update, EmberJoinDecision.USE_PRECONFIGURED_KEY)
        await asyncio.sleep(0)
        self.announce(device)

    async def rejoin(self, device: Device, *, new_nwk: bool = False) -> None:
        """The device comes back with the keys that it has, permitted or not; its settings are unchanged."""
        await self.join(device, rejoin=True, new_nwk=new_nwk)

    async def resolve_address_conflict(self, device: Device) -> None:
        """Another device has the same network address: the coordinator reports it, and the device takes another."""
        self.ncp.send_callback(ezsp.ID_CONFLICT, device.nwk)
        await self.rejoin(device, new_nwk=True)

    def announce(self, device: Device) -> None:
        """The device broadcasts Device_annce."""
        self.medium.announce(device)

    def wake(self, device: Device, seconds: float = AWAKE_S) -> None:
        """A sleepy device listens for a while, as when its button is pressed (after joining it does so by itself)."""
        self.medium.wake(device, seconds)

    def sleep(self, device: Device) -> None:
        """A sleepy device stops listening, and receives again when it polls."""
        self.medium.sleep(device)

    def leave(self, device: Device) -> None:
        """The device leaves the network by itself, as when its button is held down."""
        if device.joined:
            self.device_left(device)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Accept EZSP hosts on a TCP port (0: any that is free); yields its URL."""
        with self.scheduler.driven():
            async with serve_tcp(
                self._new_session, self.faults, host, port, announces_reset=self.announces_reset
            ) as url:
                yield url

    @asynccontextmanager
    async def serve_pty(self) -> AsyncIterator[str]:
        """Serve an EZSP host on a pseudo-terminal; yields its path."""
        with self.scheduler.driven():
            async with serve_pty(self._new_session) as path:
                yield path

    # For devices (DeviceNetwork).

    def send_from_device(self, device: Device, endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        self.medium.send_from_device(device, endpoint, cluster, payload, target)

    def command_executed(self, device: Device, command: ExecutedCommand) -> None:
        if self.on_command is not None:
            self.on_command(device, command)

    def local_time(self) -> int:
        """Seconds since 2000-01-01 on the wall clock, whatever its zone."""
        return int((self.wall_clock().replace(tzinfo=UTC) - _ZCL_EPOCH).total_seconds())

    def device_left(self, device: Device) -> None:
        device.forget_network()
        if self.ncp.running:
            self._report_to_trust_center(device, EmberDeviceUpdate.LEFT, EmberJoinDecision.NO_ACTION)

    def _report_to_trust_center(self, device: Device, update: EmberDeviceUpdate, decision: EmberJoinDecision) -> None:
        parent = NWK_COORDINATOR
        self.ncp.send_callback(ezsp.TRUST_CENTER_JOIN, device.nwk, device.address, update, decision, parent)

    def _new_session(self, *, write: Callable[[bytes], None], abort: Callable[[], None]) -> HostSession:
        return HostSession(self.ncp, self.scheduler, self.faults, write=write, abort=abort)

    def _free_nwk(self) -> int:
        while True:
            nwk = self.chance.randrange(_FIRST_NWK, _LAST_NWK + 1)
            if nwk not in self.medium.by_nwk:
                return nwk
