"""`gatewayd demo` as a process in a terminal."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from gatewayd.model.status import OperationStatus
from tests.common.processes import processes_of_session

START = "from gatewayd.cli import main; main(prog_name='gatewayd')"
STEPS = 13


async def test_demo_once_prints_every_step_and_succeeds() -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, "demo", "--once", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await demo.communicate()
    assert (demo.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert len(lines) == STEPS
    assert all(line.startswith("✓") and " ms  " in line for line in lines)


def press_ctrl_c(demo: asyncio.subprocess.Process) -> None:
    """As a terminal does: SIGINT goes to the whole process group."""
    os.killpg(demo.pid, signal.SIGINT)


def terminate(demo: asyncio.subprocess.Process) -> None:
    demo.send_signal(signal.SIGTERM)


def has_broker(demo: asyncio.subprocess.Process) -> bool:
    return "mosquitto" in processes_of_session(demo.pid)


@pytest.mark.parametrize("end", [press_ctrl_c, terminate])
async def test_demo_runs_until_ended_and_leaves_no_process_behind(
    end: Callable[[asyncio.subprocess.Process], None],
) -> None:
    screen, terminal = pty.openpty()
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, "demo", stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    drawn = bytearray()

    def read_screen() -> None:
        with suppress(OSError):  # the terminal is closed
            drawn.extend(os.read(screen, 65536))

    asyncio.get_running_loop().add_reader(screen, read_screen)
    async with asyncio.timeout(60):
        while OperationStatus.UNLOCK_EVENT.desc.encode() not in drawn or not has_broker(demo):
            await asyncio.sleep(0.05)
        end(demo)
        assert await demo.wait() == 0
    asyncio.get_running_loop().remove_reader(screen)
    os.close(screen)
    assert b"Aborted" not in drawn
    assert b"Traceback" not in drawn
    assert b"never retrieved" not in drawn
    assert processes_of_session(demo.pid) == []
