"""Parts start in order and stop in reverse; systemd is notified."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from gatewayd.lifecycle import STOP_LIMIT_S, Notifier, PartFailedError, Parts

STEADY = random.Random(1)


async def forever() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise OSError("gone")


async def test_parts_stop_in_reverse_each_after_the_next_has_ended() -> None:
    ended: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    async with Parts(STEADY) as parts:
        for name in ("store", "radio", "cloud"):
            parts.start(name, partial(part, name))
        await asyncio.sleep(0)
    assert ended == ["cloud", "radio", "store"]


async def test_part_finishes_what_later_ones_left_before_it_is_stopped() -> None:
    done: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append(f"{name} ended")

    async def finish() -> None:
        done.append("recorder finished")

    async with Parts(STEADY) as parts:
        parts.start("recorder", partial(part, "recorder"), finish=finish)
        parts.start("radio", partial(part, "radio"))
        await asyncio.sleep(0)
    assert done == ["radio ended", "recorder finished", "recorder ended"]


@pytest.mark.parametrize("finish", [forever, broken])
async def test_part_that_cannot_finish_is_stopped_all_the_same(finish: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(STOP_LIMIT_S):
        async with Parts(STEADY) as parts:
            parts.start("recorder", forever, finish=finish)
            await asyncio.sleep(0)


async def test_part_that_another_starts_while_they_stop_is_stopped_too() -> None:
    ended: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Parts(STEADY) as parts:

        async def slow_to_stop() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                parts.start("mqtt", partial(part, "mqtt"))
                await asyncio.sleep(0)

        parts.start("cloud", slow_to_stop)
        await asyncio.sleep(0)
    assert ended == ["mqtt"]


async def test_essential_part_that_fails_ends_the_whole_at_once() -> None:
    told: list[str] = []

    async def whole() -> None:
        async with Parts(STEADY, partial(told.append, "failing")) as parts:
            parts.start("store", forever)
            parts.start("commands", broken, essential=True)
            await asyncio.sleep(3600)

    with pytest.raises(PartFailedError, match="the part commands failed: OSError: gone"):
        async with asyncio.timeout(1):
            await whole()
    assert told == ["failing"]


async def test_part_that_fails_is_started_anew_and_its_trouble_is_told() -> None:
    attempts = 0
    runs = asyncio.Event()

    async def fails_once() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ExceptionGroup("unhandled errors", [ValueError("what is this")])
        runs.set()
        await asyncio.Event().wait()

    async with Parts(STEADY) as parts:
        parts.start("mqtt", fails_once)
        assert parts.troubles == {}
        async with asyncio.timeout(5):
            await runs.wait()
        assert parts.troubles == {
            "mqtt": "started anew 1 times, the last time because of ValueError: what is this",
        }
    assert attempts == 2


async def test_part_that_has_done_its_work_is_not_started_again() -> None:
    calls: list[int] = []

    async def once() -> None:
        calls.append(1)

    async with Parts(STEADY) as parts:
        parts.start("window", once)
        await asyncio.sleep(0.05)
        assert parts.troubles == {}
    assert calls == [1]


async def test_part_that_does_not_stop_delays_the_others_for_seconds_at_most() -> None:
    ended: list[str] = []
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    async def store() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("store")

    began = time.monotonic()
    async with Parts(STEADY) as parts:
        parts.start("store", store)
        for number in range(5):
            parts.start(f"stubborn-{number}", stubborn)
        await asyncio.sleep(0)
    took_s = time.monotonic() - began
    release.set()
    await asyncio.sleep(0)
    assert took_s < STOP_LIMIT_S
    assert ended == ["store"]


async def test_cancellation_from_outside_goes_on_though_a_part_has_failed() -> None:
    failed = asyncio.Event()

    async def whole() -> None:
        async with Parts(STEADY, failed.set) as parts:
            parts.start("commands", broken, essential=True)
            await asyncio.sleep(3600)

    task = asyncio.create_task(whole())
    await failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "blocked",
    [
        "import time; time.sleep(60)",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        "import os; [os.write(w, bytes(65536)) for _ in range(9)]",
    ],
    ids=["blocked loop", "deadlock", "thread of a library", "stderr that nobody reads"],
)
def test_process_ends_within_its_limit_whatever_blocks_it(blocked: str) -> None:
    start = "import os; r, w = os.pipe(); os.dup2(w, 2); from gatewayd.lifecycle import end_within; end_within(0.3)"
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", f"{start}; {blocked}"], check=False, timeout=20)
    assert ended.returncode in {1, -signal.SIGALRM}
    assert time.monotonic() - began < 10  # the interpreter's start included


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_notified_of_each_state(tmp_path: Path, *, abstract: bool) -> None:
    name = f"@gatewayd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        Notifier({"NOTIFY_SOCKET": name}).notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_sent() -> None:
    quiet = Notifier({})
    quiet.notify("READY=1")
    assert quiet.watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
