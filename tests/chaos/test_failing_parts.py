"""A fault injected into each part while the daemon starts: the part is started anew, or the process ends in 5 s."""

import asyncio
import logging
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from gatewayd.simulator.environment import simulated_environment
from tests.common.daemon_process import DaemonProcess

log = logging.getLogger(__name__)

STEP_MS = int(os.environ.get("CHAOS_FAULT_STEP_MS", "1000"))
START_MS = int(os.environ.get("CHAOS_FAULT_MS", "1000"))
LIMIT_S = 5.0

ESSENTIAL = ("store", "recorder", "commands")
RESTARTED = (
    "state-folder",
    "clock",
    "dates",
    "access",
    "health",
    "window",
    "local",
    "locks",
    "zigbee",
    "provisioning",
    "cloud",
    "firmware",
    "sync",
    "rest",
    "mqtt",
    "watchdog",
)

INJECT = """
import asyncio
import structlog
from gatewayd import lifecycle
from gatewayd.cli import main

class FaultyParts(lifecycle.Parts):
    def start(self, name, run, **options):
        faults = [1]
        async def faulty():
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(run())
                if faults:
                    faults.pop()
                    await asyncio.sleep({after_s})
                    raise RuntimeError("injected")
                structlog.get_logger().info("part_runs_again")
        super().start(name, faulty if name == "{part}" else run, **options)

lifecycle.Parts = FaultyParts
main(prog_name="gatewayd")
"""


@pytest.mark.parametrize("part", ESSENTIAL + RESTARTED)
async def test_part_that_fails_at_start_is_started_anew_or_the_process_ends(part: str, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    longest_s = 0.0
    async with simulated_environment() as environment, DaemonProcess(environment, tmp_path) as daemon:
        for after_ms in range(0, START_MS, STEP_MS):
            await daemon.start(program=INJECT.format(part=part, after_s=after_ms / 1000))
            await daemon.until_logged("essential_part_failed" if part in ESSENTIAL else "part_failed")
            began = time.monotonic()
            if part in ESSENTIAL:
                status = await daemon.end(LIMIT_S)
                outcomes[f"gone with {status}"] += 1
                assert status == 1
            else:
                await daemon.until_logged("part_runs_again", within_s=LIMIT_S)
                await daemon.until_logged("mqtt_connected", within_s=20)
                assert await daemon.end(0) is None
                outcomes["started anew"] += 1
                assert await daemon.stop() == 0
            longest_s = max(longest_s, time.monotonic() - began)
            await asyncio.sleep(0)
    log.info("%s: %s, longest %.2f s", part, dict(outcomes), longest_s)
    assert longest_s < (LIMIT_S if part in ESSENTIAL else 20)
