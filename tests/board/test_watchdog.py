"""A daemon that is stuck is restarted within the watchdog's time, and the journal says why.

Within WatchdogSec (30 s) where the process is stopped or its event loop is blocked. Where the loop runs and a part
makes no progress, that part is given STALLED_AFTER_S (120 s) before.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

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


Trigger = Callable[[Board, Environment], Awaitable[object]]


async def stop_process(board: Board, _: Environment) -> None:
    await board.run("systemctl kill --signal=STOP gatewayd")


async def block_loop(board: Board, _: Environment) -> None:
    await board.run("systemctl kill --signal=USR1 gatewayd")


async def hang_store(board: Board, _: Environment) -> None:
    board.write(HANG, "")


async def hang_radio(board: Board, environment: Environment) -> None:
    board.write(HANG, "")
    environment.network.faults.cut_connection()


async def hang_mqtt(board: Board, environment: Environment) -> None:
    board.write(HANG, "")
    await environment.broker.kill()
    await environment.broker.restart()


@dataclass(frozen=True)
class Stuck:
    """How a daemon gets stuck, within which time it is restarted, and what the journal says."""

    fault: str
    trigger: Trigger
    within_s: float
    reason: str


CASES = {
    "process stopped": Stuck("", stop_process, WATCHDOG_S, ""),
    "event loop blocked": Stuck(BLOCK_LOOP, block_loop, WATCHDOG_S, "in deadlock"),
    "store stuck": Stuck(HANG_STORE, hang_store, STALLED_AFTER_S + WATCHDOG_S, '"stalled": ["store"]'),
    "radio stuck": Stuck(HANG_RADIO, hang_radio, STALLED_AFTER_S + WATCHDOG_S, '"stalled": ["radio"]'),
    "MQTT stuck": Stuck(HANG_MQTT, hang_mqtt, STALLED_AFTER_S + WATCHDOG_S, '"stalled": ["mqtt"]'),
}


async def test_daemon_that_is_stuck_is_restarted_in_time_and_the_journal_says_why(tmp_path: Path) -> None:
    async def watch(number: int, name: str) -> None:
        case, folder = CASES[name], tmp_path / f"board{number}"
        folder.mkdir()
        async with simulated_environment() as environment, booted_board(folder, settings_in(environment)) as board:
            board.write("/opt/faults/sitecustomize.py", case.fault)
            await board.start()
            await board.until_shown("StatusText", UP, within_s=60)
            began = time.monotonic()
            await case.trigger(board, environment)
            await board.until_shown("NRestarts", "1", within_s=case.within_s + MORE_S)
            log.info("%s: restarted after %.1f s", name, time.monotonic() - began)
            await board.run(f"rm -f {HANG}")
            journal = await board.journal()
            assert "Watchdog timeout (limit 30s)!" in journal
            assert "Fatal Python error: Aborted" in journal  # and where every thread is
            assert case.reason in journal
            await board.until_shown("StatusText", UP, within_s=60)

    async with asyncio.TaskGroup() as tasks:  # on a board each, at the same time
        for number, name in enumerate(CASES):
            tasks.create_task(watch(number, name))


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
