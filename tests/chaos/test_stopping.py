"""SIGTERM and SIGINT at every moment of the start, and in random states: gone within five seconds each time.

`make chaos` stops it every 10 ms of the first three seconds and in 200 states (CHAOS_STEP_MS, CHAOS_STATES); the usual
run takes a few dozen. The figures go to the log (`-o log_cli=true --log-cli-level=info`).
"""

import asyncio
import logging
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gatewayd.simulator.environment import Environment, simulated_environment
from tests.common.daemon_process import DaemonProcess
from tests.common.processes import processes_of_session
from tests.common.small_disk import fill, four_megabytes, needs_root

log = logging.getLogger(__name__)

STEP_MS = int(os.environ.get("CHAOS_STEP_MS", "1000"))
STATES = int(os.environ.get("CHAOS_STATES", "8"))
DEMOS = int(os.environ.get("CHAOS_DEMOS", "2"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
PARALLEL = 2
START_MS = 3000
LIMIT_S = 5.0
WAIT_S = 12.0
"""How long a daemon that does not end is waited for, so that the figures show by how much it is late."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class Figures:
    """How long each stop took, and with which exit status; `late` are those over five seconds."""

    took_s: list[float] = field(default_factory=list)
    statuses: Counter[int | None] = field(default_factory=Counter)
    late: list[str] = field(default_factory=list)

    def add(self, what: str, took_s: float, status: int | None) -> None:
        self.took_s.append(took_s)
        self.statuses[status] += 1
        if status is None or took_s > LIMIT_S:
            self.late.append(f"{what}: {took_s:.1f} s, exit status {status}")

    def __str__(self) -> str:
        ordered = sorted(self.took_s) or [0.0]
        return (
            f"{len(ordered)} stops, median {ordered[len(ordered) // 2] * 1000:.0f} ms, "
            f"longest {ordered[-1] * 1000:.0f} ms, exit statuses {dict(self.statuses)}, late {len(self.late)}"
        )


@asynccontextmanager
async def daemon_in_environment(folder: Path) -> AsyncIterator[tuple[Environment, DaemonProcess]]:
    async with simulated_environment() as environment, DaemonProcess(environment, folder) as daemon:
        yield environment, daemon


async def stop(daemon: DaemonProcess, what: str, number: signal.Signals, figures: Figures, *, to_group: bool) -> None:
    began = time.monotonic()
    with suppress(ProcessLookupError):  # it has ended by itself, and its exit status says so
        daemon.signal(number, to_group=to_group)
    status = await daemon.end(WAIT_S)
    figures.add(what, time.monotonic() - began, status)
    if status is None:
        await daemon.kill()


@pytest.mark.parametrize("since", ["exec", "gatewayd_starting"])
@pytest.mark.parametrize("to_group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("number", SIGNALS, ids=[number.name for number in SIGNALS])
async def test_stopped_at_any_moment_of_its_start_it_ends_within_five_seconds(
    number: signal.Signals, tmp_path: Path, since: str, *, to_group: bool
) -> None:
    figures = Figures()

    async def stop_at(moments: Iterator[int], folder: Path) -> None:
        async with daemon_in_environment(folder) as (_, daemon):
            for after_ms in moments:
                await daemon.start()
                if since != "exec":
                    await daemon.until_logged(since)
                await asyncio.sleep(after_ms / 1000)
                what = f"{number.name} {after_ms} ms after {since}"
                await stop(daemon, what, number, figures, to_group=to_group)

    moments = iter(range(0, START_MS, STEP_MS))
    async with asyncio.TaskGroup() as tasks:
        for number_ in range(PARALLEL):
            (tmp_path / str(number_)).mkdir()
            tasks.create_task(stop_at(moments, tmp_path / str(number_)))
    log.info("%s to the %s, since %s: %s", number.name, "group" if to_group else "process", since, figures)
    assert figures.late == []


Break = Callable[[Environment, Path], Awaitable[None]]


async def broker_dies(environment: Environment, _: Path) -> None:
    await environment.broker.kill()


async def radio_dies(environment: Environment, _: Path) -> None:
    environment.network.faults.refuse_connections()
    environment.network.faults.cut_connection()


async def radio_is_silent(environment: Environment, _: Path) -> None:
    environment.network.faults.hang_ncp()


async def cloud_hangs(environment: Environment, _: Path) -> None:
    environment.cloud.faults.hang("/", times=1000)


async def disk_is_full(_: Environment, folder: Path) -> None:
    await asyncio.to_thread(fill, folder, 0)


BREAKS: tuple[Break, ...] = (broker_dies, radio_dies, radio_is_silent, cloud_hangs, disk_is_full)


async def mend(environment: Environment, folder: Path) -> None:
    (folder / "ballast").unlink(missing_ok=True)
    environment.network.faults.clear()
    environment.cloud.faults.clear()
    await environment.broker.kill()
    await environment.broker.restart()


@needs_root
async def test_stopped_in_any_state_it_ends_within_five_seconds(tmp_path: Path) -> None:
    figures, chance = Figures(), random.Random(SEED)

    async def stop_in_states(numbers: Iterator[int], folder: Path) -> None:
        async with daemon_in_environment(folder) as (environment, daemon):
            for number in numbers:
                await stop_in_state(number, environment, daemon)

    async def stop_in_state(number: int, environment: Environment, daemon: DaemonProcess) -> None:
        breaks = chance.sample(BREAKS, k=chance.choice((1, 1, 2)))
        runs_s, broken_s = chance.uniform(0, 4), chance.choice((0.0, chance.uniform(0, 0.03), chance.uniform(0, 3)))
        number_, to_group = chance.choice(SIGNALS), chance.random() < 0.5
        await daemon.start()
        await daemon.until_logged("gatewayd_starting")
        await asyncio.sleep(runs_s)
        for one in breaks:
            await one(environment, daemon.folder)
        await asyncio.sleep(broken_s)
        names = " and ".join(one.__name__ for one in breaks)
        what = f"state {number}: {names} after {runs_s:.2f} s, {number_.name} {broken_s * 1000:.0f} ms later"
        await stop(daemon, what, number_, figures, to_group=to_group)
        await mend(environment, daemon.folder)

    numbers = iter(range(STATES))
    with ExitStack() as stack:
        disks = []
        for worker in range(PARALLEL):
            (tmp_path / str(worker)).mkdir()
            disks.append(stack.enter_context(four_megabytes(tmp_path / str(worker))))
        async with asyncio.TaskGroup() as tasks:
            for disk in disks:
                tasks.create_task(stop_in_states(numbers, disk))
    log.info("random states: %s", figures)
    assert figures.late == []


@contextmanager
def silent_name_server(folder: Path) -> Iterator[list[str]]:
    """A name server that answers nothing; the command that runs a program with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.153", 53))
        resolv = folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.153\noptions timeout:5 attempts:3\n")
        resolv.chmod(0o644)
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        yield ["unshare", "--mount", "sh", "-c", script, str(resolv)]


@needs_root
@pytest.mark.parametrize("after_s", [0.5, 2.5])
async def test_stopped_while_the_name_server_is_silent_it_ends_within_five_seconds(
    tmp_path: Path, after_s: float
) -> None:
    figures = Figures()
    with silent_name_server(tmp_path) as prefix:
        async with daemon_in_environment(tmp_path) as (_, daemon):
            await daemon.start()  # once with names that are found, so that the next start knows the gateway's uuid
            await daemon.until_logged("mqtt_connected")
            assert await daemon.stop() == 0
            await daemon.start(
                prefix=prefix,
                GATEWAYD_MQTT_HOST="broker.example",
                GATEWAYD_CLOUD_BASE_URL="http://cloud.example:8084",
            )
            await daemon.until_logged("gatewayd_started")
            await asyncio.sleep(after_s)
            await stop(daemon, "silent name server", signal.SIGTERM, figures, to_group=False)
    log.info("silent name server: %s", figures)
    assert figures.late == []
    assert figures.statuses == {0: 1}


async def test_stopped_while_nobody_reads_its_log_it_ends_within_five_seconds(tmp_path: Path) -> None:
    figures = Figures()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n" * 4096)  # full from the start
    os.set_blocking(writer, True)
    async with daemon_in_environment(tmp_path) as (_, daemon):
        await daemon.start(stderr=writer, GATEWAYD_LOG_LEVEL="debug")
        async with asyncio.timeout(30):
            while not (tmp_path / "admin.sock").exists():
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        await stop(daemon, "stalled log", signal.SIGTERM, figures, to_group=False)
    os.close(reader)
    os.close(writer)
    log.info("stalled reader of the log: %s", figures)
    assert figures.late == []
    assert figures.statuses == {0: 1}


async def test_hangup_changes_nothing_of_a_service(tmp_path: Path) -> None:
    async with daemon_in_environment(tmp_path) as (_, daemon):
        await daemon.start()
        await daemon.until_logged("gatewayd_started")
        daemon.signal(signal.SIGHUP)
        await daemon.until_logged("hangup_ignored")
        assert await daemon.end(0.5) is None
        assert await daemon.stop() == 0


async def test_demo_ends_within_five_seconds_of_ctrl_c_and_leaves_nothing_behind() -> None:
    figures, chance = Figures(), random.Random(SEED)
    for number in range(DEMOS):
        after_s = chance.uniform(1.5, 8)
        playing = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from gatewayd.cli import main; main(prog_name='gatewayd')",
            "demo",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await asyncio.sleep(after_s)
        began = time.monotonic()
        os.killpg(playing.pid, signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await playing.wait()
        figures.add(f"demo {number} after {after_s:.1f} s", time.monotonic() - began, playing.returncode)
        left = processes_of_session(playing.pid)
        if playing.returncode is None:
            playing.kill()
            await playing.wait()
        assert left == []
    log.info("demo, Ctrl-C: %s", figures)
    assert figures.late == []
