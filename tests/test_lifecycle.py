"""Parts start in order and stop in reverse; systemd is notified."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from gatewayd.lifecycle import Notifier, Parts


async def test_parts_stop_in_reverse_each_after_the_next_has_ended() -> None:
    ended: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    async with asyncio.TaskGroup() as tasks:
        parts = Parts(tasks)
        for name in ("store", "radio", "cloud"):
            parts.start(name, part(name))
        await asyncio.sleep(0)
        await parts.stop()
    assert ended == ["cloud", "radio", "store"]


async def test_part_that_fails_ends_its_group() -> None:
    async def broken() -> None:
        raise OSError("gone")

    async def whole() -> None:
        async with asyncio.TaskGroup() as tasks:
            parts = Parts(tasks)
            parts.start("store", asyncio.sleep(3600))
            parts.start("radio", broken())

    with pytest.raises(ExceptionGroup) as failed:
        await whole()
    assert failed.group_contains(OSError, match="gone")


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
