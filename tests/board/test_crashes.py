"""A daemon that crashes is started anew, however often: systemd never gives the service up."""

import logging
import time
from pathlib import Path

from tests.common.board import booted_board, needs_board

log = logging.getLogger(__name__)

pytestmark = needs_board

CRASHES = 7  # by default, systemd gives up after five within ten seconds
CRASH_AT_START = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


async def test_daemon_that_crashes_at_each_start_is_started_until_it_runs(tmp_path: Path) -> None:
    async with booted_board(tmp_path) as board:
        board.write("/opt/faults/sitecustomize.py", CRASH_AT_START)
        began = time.monotonic()
        await board.run("systemctl start gatewayd")
        await board.until_shown("NRestarts", str(CRASHES), within_s=60)
        log.info("%d crashes in %.1f s", CRASHES, time.monotonic() - began)
        began = time.monotonic()
        await board.stop()  # in the pause before a start, or in one
        log.info("stopped between two crashes in %.2f s", time.monotonic() - began)
        assert time.monotonic() - began < 5
        await board.run("systemctl start gatewayd")
        board.write("/opt/faults/sitecustomize.py", "")
        await board.until_shown("ActiveState", "active")


async def test_daemon_that_crashes_while_it_runs_is_started_anew(tmp_path: Path) -> None:
    async with booted_board(tmp_path) as board:
        await board.start()
        began = time.monotonic()
        await board.run("systemctl kill --signal=SEGV gatewayd")
        await board.until_shown("NRestarts", "1")
        await board.until_shown("ActiveState", "active")
        log.info("active again %.1f s after a crash", time.monotonic() - began)
        assert "Fatal Python error: Segmentation fault" in await board.journal()
