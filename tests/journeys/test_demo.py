"""`gatewayd demo`, as a person runs it."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

START = "from gatewayd.cli import main; main(prog_name='gatewayd')"


async def test_the_tour_is_played_once_and_every_step_happens() -> None:
    playing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, "demo", "--once", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await playing.communicate()
    assert (playing.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert len(lines) == 13
    assert all(line.startswith("✓") and " ms  " in line for line in lines)


def press_ctrl_c(demo: asyncio.subprocess.Process) -> None:
    """What a terminal does: it sends SIGINT to the whole process group, the broker too."""
    os.killpg(demo.pid, signal.SIGINT)


def terminate(demo: asyncio.subprocess.Process) -> None:
    demo.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("end", [press_ctrl_c, terminate])
async def test_demo_runs_until_ended_and_leaves_no_process_behind(
    end: Callable[[asyncio.subprocess.Process], None],
) -> None:
    ours, theirs = pty.openpty()
    playing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, "demo", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = bytearray()

    def drawn() -> None:
        with suppress(OSError):  # the other end is closed
            seen.extend(os.read(ours, 65536))

    asyncio.get_running_loop().add_reader(ours, drawn)
    async with asyncio.timeout(60):
        while "开锁事件".encode() not in seen:
            await asyncio.sleep(0.05)
        end(playing)
        assert await playing.wait() == 0
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    assert b"Aborted" not in seen
    assert b"Traceback" not in seen
    with pytest.raises(ProcessLookupError):
        os.killpg(playing.pid, 0)  # its broker lived in its session
