"""A daemon that is stuck is restarted within the watchdog's time, and the journal says why.

Within WatchdogSec (30 s) where the process is stopped or its event loop is blocked. Where the loop runs and a part makes
no progress, that part is given STALLED_AFTER_S (120 s) before.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatewayd.admin.watchdog import STALLED_AFTER_S
from gatewayd.simulator.environment import Environment, simulated_environment
from tests.common.board import Board, booted_board, needs_board, settings_in

log = logging.getLogger(__name__)

pytestmark = needs_board

WATCHDOG_S = 30.0  # the unit's
MORE_S = 15.0  # to notice, to abort, RestartSec, and a busy machine
UP = "radio up on channel 15, connected to the cloud"

BLOCK_LOOP = """
import signal, threading

def deadlock(*_):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

signal.signal(signal.SIGUSR1, deadlock)
"""
HANG = "/opt/faults/hang"  # what follows hangs while there is this file
HANG_STORE = f"""
import os, sqlite3, time

connect = sqlite3.connect

class HangingConnection(sqlite3.Connection):
    def execute(self, *arguments):
        while os.path.exists("{HANG}"):
            time.sleep(0.1)
        return super().execute(*arguments)

def connect_hanging(path, **settings):
    return connect(path, factory=HangingConnection if "gatewayd.db" in str(path) else sqlite3.Connection, **settings)

sqlite3.connect = connect_hanging
"""
HANG_COROUTINE = f"""
import asyncio, os

def hanging(method):
    async def hang(*arguments):
        while os.path.exists("{HANG}"):
            await asyncio.sleep(0.1)
        return await method(*arguments)
    return hang
"""
HANG_RADIO = f"""{HANG_COROUTINE}
from gatewayd.zigbee.radios.base import RadioApplication
RadioApplication.abandon_database = hanging(RadioApplication.abandon_database)
"""
HANG_MQTT = f"""{HANG_COROUTINE}
import aiomqtt
aiomqtt.Client.__aenter__ = hanging(aiomqtt.Client.__aenter__)
"""


async def no_trigger(_: Environment) -> None:
    """The part gets stuck by itself."""


async def lose_radio(environment: Environment) -> None:
    environment.network.faults.cut_connection()


async def lose_broker(environment: Environment) -> None:
    await environment.broker.kill()
    await environment.broker.restart()


@dataclass(frozen=True)
class StuckPart:
    """What makes a part hang, and when it does."""

    fault: str
    trigger: Callable[[Environment], Awaitable[None]]


PARTS = {
    "store": StuckPart(HANG_STORE, no_trigger),
    "radio": StuckPart(HANG_RADIO, lose_radio),
    "mqtt": StuckPart(HANG_MQTT, lose_broker),
}


@pytest.mark.parametrize("signal", ["STOP", "USR1"], ids=["process stopped", "event loop blocked"])
async def test_daemon_that_stands_still_is_restarted_within_the_watchdogs_time(signal: str, tmp_path: Path) -> None:
    async with simulated_environment() as environment, booted_board(tmp_path, settings_in(environment)) as board:
        board.write("/opt/faults/sitecustomize.py", BLOCK_LOOP)
        await board.start()
        await board.until_shown("StatusText", UP)
        took_s = await until_restarted(board, f"systemctl kill --signal={signal} gatewayd", WATCHDOG_S)
        journal = await board.journal()
        await board.until_shown("StatusText", UP)
        log.info("SIG%s: restarted after %.1f s", signal, took_s)
        assert "Watchdog timeout (limit 30s)!" in journal
        assert "Fatal Python error: Aborted" in journal  # and where every thread is
        assert signal == "STOP" or "in deadlock" in journal


async def test_daemon_whose_loop_is_blocked_stops_within_five_seconds(tmp_path: Path) -> None:
    async with booted_board(tmp_path) as board:
        board.write("/opt/faults/sitecustomize.py", BLOCK_LOOP)
        await board.start()
        await board.run("systemctl kill --signal=USR1 gatewayd")
        await asyncio.sleep(1)
        took_s = await board.stop()
        log.info("event loop blocked: stopped in %.2f s, %s", took_s, await board.shown("Result"))
        assert took_s < 5
        assert "in deadlock" in await board.journal()


async def test_daemon_of_which_a_part_is_stuck_is_restarted_and_the_journal_names_it(tmp_path: Path) -> None:
    async def watch(name: str) -> None:
        part, folder = PARTS[name], tmp_path / f"board-{name}"
        folder.mkdir()
        async with simulated_environment() as environment, booted_board(folder, settings_in(environment)) as board:
            board.write("/opt/faults/sitecustomize.py", part.fault)
            await board.start()
            await board.until_shown("StatusText", UP)
            board.write(HANG, "")
            await part.trigger(environment)
            took_s = await until_restarted(board, "true", STALLED_AFTER_S + WATCHDOG_S)
            await board.run(f"rm {HANG}")
            journal = await board.journal()
            await board.until_shown("StatusText", UP)
            log.info("%s stuck: restarted after %.1f s", name, took_s)
            assert f'"stalled": ["{name}"]' in journal
            assert "Watchdog timeout (limit 30s)!" in journal

    async with asyncio.TaskGroup() as tasks:
        for name in PARTS:
            tasks.create_task(watch(name))


async def until_restarted(board: Board, script: str, watchdog_s: float) -> float:
    """Run `script`, and wait until the watchdog has had the service started anew; how many seconds that took."""
    before, began = await board.shown("NRestarts"), time.monotonic()
    assert before == "0"
    await board.run(script)
    await board.until_shown("NRestarts", "1", within_s=watchdog_s + MORE_S)
    return time.monotonic() - began
