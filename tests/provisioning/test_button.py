"""The button: a press is a press, and what holds or lets go is none."""

import asyncio
import os
import struct
from pathlib import Path

import pytest

from gatewayd.provisioning.button import Button, presses

WPS = 0x211


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@LLHHi", 1, 2, kind, code, value)


@pytest.mark.parametrize(
    ("events", "count"),
    [
        (b"", 0),
        (event(1, WPS, 1), 1),
        (event(1, WPS, 1) + event(0, 0, 0) + event(1, WPS, 2) + event(1, WPS, 0), 1),
        (event(1, WPS, 1) * 2, 2),
        (event(1, 0x74, 1) + event(2, WPS, 1), 0),
        (event(1, WPS, 1)[:-1], 0),
    ],
)
def test_only_its_own_key_going_down_is_a_press(events: bytes, count: int) -> None:
    assert len(list(presses(events, WPS))) == count


async def test_every_press_is_heard(tmp_path: Path) -> None:
    device = tmp_path / "event0"
    os.mkfifo(device)
    pressed = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        part = tasks.create_task(Button(str(device), WPS, pressed.set).run())
        line = await asyncio.to_thread(os.open, device, os.O_WRONLY)
        os.write(line, event(1, WPS, 0) + event(1, WPS, 1))
        await asyncio.wait_for(pressed.wait(), 10)
        pressed.clear()
        os.write(line, event(1, WPS, 1))
        await asyncio.wait_for(pressed.wait(), 10)
        part.cancel()
        os.close(line)
