"""The board's button, which opens the provisioning window. Reads the kernel's input events (evdev).

What a press does is left to the caller.
"""

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from typing import Final

import structlog

log = structlog.get_logger()

_INPUT_EVENT: Final = struct.Struct("@LLHHi")  # linux/input.h, input_event: seconds, microseconds, type, code, value
_EV_KEY: Final = 1
_KEY_DOWN: Final = 1
_RETRY_S: Final = 30.0


class Button:
    """Calls `on_press` whenever key `code` of the input device at `path` goes down."""

    def __init__(self, path: str, code: int, on_press: Callable[[], object]) -> None:
        self._path = path
        self._code = code
        self._on_press = on_press

    async def run(self) -> None:
        """Watch the device until cancelled. While it cannot be read, try again every 30 s."""
        while True:
            try:
                await self._watch()
            except OSError as error:
                log.warning("button_not_read", path=self._path, reason=error.strerror)
            await asyncio.sleep(_RETRY_S)

    async def _watch(self) -> None:
        """Return when the device is closed at the other end. Raises OSError."""
        loop = asyncio.get_running_loop()
        device = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        readable = asyncio.Event()
        loop.add_reader(device, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                try:
                    events = os.read(device, 64 * _INPUT_EVENT.size)
                except BlockingIOError:  # the previous read already took these events
                    continue
                if not events:
                    return
                for _ in presses(events, self._code):
                    log.info("button_pressed", path=self._path)
                    self._on_press()
        finally:
            loop.remove_reader(device)
            os.close(device)


def presses(events: bytes, code: int) -> Iterator[int]:
    """The positions in `events` at which key `code` went down; repeats and releases do not count.

    `events` is a sequence of the kernel's `input_event`; an incomplete one at the end is ignored.
    """
    complete = len(events) - len(events) % _INPUT_EVENT.size
    for position, (_, _, kind, key, value) in enumerate(_INPUT_EVENT.iter_unpack(events[:complete])):
        if (kind, key, value) == (_EV_KEY, code, _KEY_DOWN):
            yield position
