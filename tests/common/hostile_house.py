"""A house with a hostile guest and a hostile lock: the daemon as a process, and what the owner and the board pay.

Used by a test, which asserts counts, and by `bench`, which prints the times.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gatewayd.admin.client import call
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.permission import Permission
from gatewayd.model.status import OperationStatus
from gatewayd.simulator.app_client import AppClient
from gatewayd.simulator.environment import GUEST, OWNER, PASSWORD, Environment, simulated_environment
from gatewayd.simulator.radio import Lock, lock
from tests.common.daemon_process import DaemonProcess
from tests.common.guests import authorize_guest, sync
from tests.common.join_devices import join_all
from tests.common.rest import connect_client

DOOR: Final = "00158d0003b00001"
HOSTILE_LOCK: Final = "00158d0003b00002"
LOCK_EVENTS_PER_S: Final = 400
_TICK_S: Final = 0.01
_SETTLED_AFTER_S: Final = 7.0  # readings are written every few seconds


@dataclass(frozen=True, slots=True)
class Resources:
    """What the daemon's process has used so far."""

    rss: int  # bytes
    written: int  # bytes that it had written to the disk, those of its log included
    log: int  # bytes
    cpu_s: float

    @classmethod
    def of(cls, pid: int, log: Path) -> "Resources":
        """Of the process `pid`, which logs to `log`."""
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        io = dict(line.split(": ", 1) for line in (process / "io").read_text().splitlines())
        ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        return cls(
            int(status["VmRSS"].split()[0]) * 1024,
            int(io["write_bytes"]),
            log.stat().st_size,
            sum(map(int, ticks)) / 100,
        )


@dataclass(slots=True)
class Figures:
    """A phase: how the owner's unlocks went, what the hostile ones sent, what the daemon used."""

    unlocks: int = 0
    carried_out: int = 0
    took_s: list[float] = field(default_factory=list)
    answers: list[OperationStatus | None] = field(default_factory=list)
    requests_sent: int = 0
    lock_events_sent: int = 0
    seconds: float = 0.0
    before: Resources = Resources(0, 0, 0, 0)
    after: Resources = Resources(0, 0, 0, 0)
    peak_rss: int = 0


@dataclass(slots=True)
class HostileHouse:
    """The running daemon, the owner's door, and the lock whose radio has a defect."""

    environment: Environment
    daemon: DaemonProcess
    door: Lock
    hostile_lock: Lock
    owner: AppClient
    _numbers: int = 0

    @property
    def admin(self) -> Path:
        """The daemon's admin socket."""
        return self.daemon.folder / "admin.sock"

    async def measure(self, unlocks: int, *, every_s: float, guest: bool, lock: bool, per_s: int = 0) -> Figures:
        """The owner unlocks so often; the hostile ones that are asked for send meanwhile, the guest `per_s` requests a
        second (0: without a limit). Readings are written before and after it is measured.
        """
        await asyncio.sleep(_SETTLED_AFTER_S)
        figures = Figures(before=self._resources())
        clock = asyncio.get_running_loop().time
        began = clock()
        async with AsyncExitStack() as stack:
            if guest:
                await stack.enter_async_context(self._hostile_guest(figures, per_s))
            if lock:
                await stack.enter_async_context(self._hostile_lock(figures))
            await self._unlock(figures, unlocks, every_s)
        figures.seconds = clock() - began
        await asyncio.sleep(_SETTLED_AFTER_S)
        figures.after = self._resources()
        return figures

    async def _unlock(self, figures: Figures, unlocks: int, every_s: float) -> None:
        clock = asyncio.get_running_loop().time
        for _ in range(unlocks):
            started = clock()
            self._numbers += 1
            before = len(self.door.executed)
            self.owner.received.clear()  # what is waited for is not sought among thousands
            sn = f"owner-{self._numbers}"
            try:
                answer = await self.owner.request(Category.LOCK, DOOR, ExecType.CONTROL, sn=sn, param={"operate": 1})
            except TimeoutError:
                figures.answers.append(None)
            else:
                figures.answers.append(answer.meaning)
            figures.took_s.append(clock() - started)
            figures.unlocks += 1
            figures.carried_out += len(self.door.executed) > before
            figures.peak_rss = max(figures.peak_rss, self._resources().rss)
            await asyncio.sleep(max(0.0, started + every_s - clock()))

    @asynccontextmanager
    async def _hostile_guest(self, figures: Figures, per_s: int) -> AsyncIterator[None]:
        broker = self.environment.broker
        arguments = (broker.host, str(broker.port), GUEST, PASSWORD, f"lock/{DOOR}", str(per_s))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.common.hostile_guest", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None

        async def count(lines: asyncio.StreamReader) -> None:
            async for line in lines:
                figures.requests_sent = int(line)

        counting = asyncio.create_task(count(process.stdout))
        try:
            yield
        finally:
            process.kill()
            await process.wait()
            await counting

    @asynccontextmanager
    async def _hostile_lock(self, figures: Figures) -> AsyncIterator[None]:
        sending = asyncio.create_task(self._send_lock_events(figures))
        try:
            yield
            assert not sending.done()
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _send_lock_events(self, figures: Figures) -> None:
        """Operations of many kinds; now and then an alarm."""
        clock = asyncio.get_running_loop().time
        began, sent = clock(), 0
        while True:
            while sent < (clock() - began) * LOCK_EVENTS_PER_S:
                sent += 1
                match sent % 40:
                    case 0:
                        self.hostile_lock.pry()
                    case kind if kind % 2:
                        self.hostile_lock.turn_knob(lock=bool(kind % 4 == 1))
                    case kind:
                        self.hostile_lock.use_card(1000 + kind)
            figures.lock_events_sent = sent
            await asyncio.sleep(_TICK_S)

    def _resources(self) -> Resources:
        pid = self.daemon.pid
        assert pid is not None, "the daemon has ended"
        return Resources.of(pid, self.daemon.folder / "daemon.log")

    def status(self) -> dict[str, object]:
        """What `gatewayctl status` shows."""
        status: dict[str, object] = call(self.admin, "status")
        return status


@asynccontextmanager
async def hostile_house(folder: Path, level: Permission) -> AsyncIterator[HostileHouse]:
    """A daemon with its state and log in `folder`; GUEST has `level` on the owner's door."""
    async with (
        simulated_environment() as environment,
        DaemonProcess(environment, folder) as daemon,
        environment.phone() as phone,
        connect_client(environment.cloud, username=OWNER, password=PASSWORD) as app,
    ):
        network = environment.network
        door = network.add(lock(DOOR, poll_interval_s=0.05), joined=False)
        hostile_lock = network.add(lock(HOSTILE_LOCK, poll_interval_s=0.05), joined=False)
        await daemon.start()
        await join_all(network, phone, (door, hostile_lock))
        house = HostileHouse(environment, daemon, door, hostile_lock, phone)
        await authorize_guest(app, environment.cloud, DOOR, level)
        await sync(house.admin)
        yield house
