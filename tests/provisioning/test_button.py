"""The button: only its own key going down counts as a press."""

import asyncio
import os
import struct
from pathlib import Path

import pytest

from gatewayd.provisioning.button import Button, presses

# linux/input-event-codes.h
EV_SYN, EV_KEY, EV_REL = 0, 1, 2
KEY_POWER, KEY_WPS_BUTTON = 0x74, 0x211
RELEASED, PRESSED, REPEATED = 0, 1, 2


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@LLHHi", 1, 2, kind, code, value)


PRESS = event(EV_KEY, KEY_WPS_BUTTON, PRESSED)
RELEASE = event(EV_KEY, KEY_WPS_BUTTON, RELEASED)


@pytest.mark.parametrize(
    ("events", "count"),
    [
        (b"", 0),
        (PRESS, 1),
        (PRESS + event(EV_SYN, 0, 0) + event(EV_KEY, KEY_WPS_BUTTON, REPEATED) + RELEASE, 1),
        (PRESS * 2, 2),
        (event(EV_KEY, KEY_POWER, PRESSED) + event(EV_REL, KEY_WPS_BUTTON, PRESSED), 0),
        (PRESS[:-1], 0),
    ],
)
def test_press_is_own_key_going_down(events: bytes, count: int) -> None:
    assert len(list(presses(events, KEY_WPS_BUTTON))) == count


async def test_every_press_calls_the_callback(tmp_path: Path) -> None:
    device = tmp_path / "event0"
    os.mkfifo(device)
    pressed = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Button(str(device), KEY_WPS_BUTTON, pressed.set).run())
        kernel = await asyncio.to_thread(os.open, device, os.O_WRONLY)
        os.write(kernel, RELEASE + PRESS)
        await asyncio.wait_for(pressed.wait(), 10)
        pressed.clear()
        os.write(kernel, PRESS)
        await asyncio.wait_for(pressed.wait(), 10)
        task.cancel()
        os.close(kernel)
