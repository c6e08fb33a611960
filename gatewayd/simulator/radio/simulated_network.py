"""A house full of simulated Zigbee devices around one coordinator: what tests, benches and the demo hold.

house = House(coordinator_ieee="00158d0000d04700", seed=1)
light = house.add(switch("00158d0002a00001", channels=3))
async with house.serve() as url:      # "socket://127.0.0.1:43210", for any EZSP host
    await house.join(light)           # once the host permits joining
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
from gatewayd.simulator.radio.faults import RadioFaults
from gatewayd.simulator.radio.medium import AWAKE_S, RadioMedium
from gatewayd.simulator.radio.ncp import Ncp
from gatewayd.simulator.radio.network import Flash, NetworkParameters
from gatewayd.simulator.radio.scheduler import Scheduler
from gatewayd.simulator.radio.server import serve_pty, serve_tcp
from gatewayd.simulator.radio.session import HostSession

D = TypeVar("D", bound=Device)

_ZCL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECURED_REJOIN, _UNSECURED_JOIN, _LEFT = 0, 1, 2
_USE_KEY, _NO_ACTION = 0, 3
_ROUTER_NODE, _SLEEPY_NODE = 2, 4


class JoiningNotPermittedError(Exception):
    """The coordinator lets nobody in at the moment."""


class SimulatedNetwork:
    """The coordinator, its devices, the air between them, and the faults of all of it.

    `flash` is the file that the network is kept in (None: in memory); `latency_s` what a message takes in the
    air; `wall_clock` the local time that locks go by; `announces_reset` whether the coordinator sends RSTACK by
    itself when somebody connects.
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
        """Called the moment a command reaches a device; `Executed.at` is the house's (the loop's) time."""

    # What it stands for towards its owner.

    @property
    def connected(self) -> bool:
        """Whether a host is on the line."""
        return self.ncp.host is not None

    def form(self, *, pan_id: int = 0x1A62, channel: int = 15) -> None:
        """Let the coordinator have a network from an earlier life, so that a host only starts it."""
        flash = self.ncp.flash
        mask, use_association, dbm = 1 << channel, 0, 8
        extended = self.ncp.address
        flash.network = NetworkParameters(extended, pan_id, dbm, channel, use_association, 0x0000, 0, mask)
        flash.network_key = self.chance.randbytes(16)
        flash.save()

    def add(self, description: Description[D], *, joined: bool = False) -> D:
        """Put a device into the house; `joined`: the coordinator has known it from an earlier life."""
        device = description.lives_as(description, self._free_nwk(), self)
        self.devices[device.ieee] = device
        self.medium.put(device)
        device.joined = joined
        return device

    async def join(self, device: Device, *, rejoin: bool = False, moved: bool = False) -> None:
        """The device joins and announces itself; `moved`: under another address. Raises JoiningNotPermittedError."""
        if not rejoin and not self.ncp.permits_joining:
            raise JoiningNotPermittedError(f"{device.ieee} cannot join: the network is closed or down")
        if not rejoin:
            device.forget_network()
        if moved:
            self.medium.move(device, self._free_nwk())
        device.joined = True
        self.medium.awaken(device)
        kind = _SLEEPY_NODE if device.sleepy else _ROUTER_NODE
        if device.sleepy:
            self.ncp.tell(ezsp.CHILD_JOIN, 0, 1, device.nwk, device.address, kind)
        how = _SECURED_REJOIN if rejoin else _UNSECURED_JOIN
        self.ncp.tell(ezsp.TRUST_CENTER_JOIN, device.nwk, device.address, how, _USE_KEY, 0x0000)
        await asyncio.sleep(0)
        self.announce(device)

    async def rejoin(self, device: Device, *, moved: bool = False) -> None:
        """The device comes back with the keys that it has kept, permitted or not, its settings unchanged."""
        await self.join(device, rejoin=True, moved=moved)

    async def clash(self, device: Device) -> None:
        """Another device has the same address: the coordinator says so, and both take others."""
        self.ncp.tell(ezsp.ID_CONFLICT, device.nwk)
        await self.rejoin(device, moved=True)

    def announce(self, device: Device) -> None:
        self.medium.announce(device)

    def wake(self, device: Device, seconds: float = AWAKE_S) -> None:
        """A sleepy device listens for a while, as when its button is pressed (after joining it does so anyway)."""
        self.medium.awaken(device, seconds)

    def sleep(self, device: Device) -> None:
        """A sleepy device falls asleep now, and hears next when it polls."""
        self.medium.put_to_sleep(device)

    def leave(self, device: Device) -> None:
        """The device leaves the network by itself, as when its button is held for long."""
        if device.joined:
            self.left(device)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Be a coordinator on a TCP port; yields its URL for EZSP hosts."""
        with self.scheduler.driven():
            async with serve_tcp(
                self._new_session, self.faults, host, port, announces_reset=self.announces_reset
            ) as url:
                yield url

    @asynccontextmanager
    async def serve_pty(self) -> AsyncIterator[str]:
        """Be a coordinator on a serial port; yields its path."""
        with self.scheduler.driven():
            async with serve_pty(self._new_session) as path:
                yield path

    # What devices see of it.

    def from_device(self, device: Device, endpoint: int, cluster: int, payload: bytes, target: int) -> None:
        self.medium.from_device(device, endpoint, cluster, payload, target)

    def executed(self, device: Device, entry: ExecutedCommand) -> None:
        if self.on_command is not None:
            self.on_command(device, entry)

    def local_time(self) -> int:
        """Seconds since 2000-01-01 as the wall clock shows them: its zone is of no account."""
        return int((self.wall_clock().replace(tzinfo=UTC) - _ZCL_EPOCH).total_seconds())

    def left(self, device: Device) -> None:
        device.forget_network()
        if self.ncp.running:
            self.ncp.tell(ezsp.TRUST_CENTER_JOIN, device.nwk, device.address, _LEFT, _NO_ACTION, 0x0000)

    def _new_session(self, *, write: Callable[[bytes], None], abort: Callable[[], None]) -> HostSession:
        return HostSession(self.ncp, self.scheduler, self.faults, write=write, abort=abort)

    def _free_nwk(self) -> int:
        while True:
            nwk = self.chance.randrange(0x0001, 0xFFF0)
            if nwk not in self.medium.by_nwk:
                return nwk
