"""`gatewayd demo`, as a person runs it."""

import asyncio
import os
import pty
import signal
import sys
from contextlib import suppress

import pytest

from tests.common.processes import processes_of_session

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


@pytest.mark.parametrize("to_group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_it_lives_on_until_it_is_ended_and_leaves_nothing_behind(name: signal.Signals, *, to_group: bool) -> None:
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
        if to_group:
            os.killpg(playing.pid, name)  # as a terminal does
        else:
            playing.send_signal(name)
        async with asyncio.timeout(5):
            assert await playing.wait() == 0
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    assert b"Aborted" not in seen
    assert b"Traceback" not in seen
    assert processes_of_session(playing.pid) == []
