"""The board's button: pressing it opens the provisioning window. Reads the kernel's input events (evdev)."""

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from typing import Final

import structlog

log = structlog.get_logger()

_EVENT: Final = struct.Struct("@LLHHi")  # linux/input.h, struct input_event: seconds, microseconds, type, code, value
_EV_KEY: Final = 1
_PRESSED: Final = 1
_AGAIN_S: Final = 30.0


class Button:
    """Calls `pressed` whenever the key `code` of the input device at `path` goes down."""

    def __init__(self, path: str, code: int, pressed: Callable[[], object]) -> None:
        self._path = path
        self._code = code
        self._pressed = pressed

    async def run(self) -> None:
        """Until cancelled. A device that is not there, or goes away, is looked for again and again."""
        while True:
            try:
                await self._watch()
            except OSError as error:
                log.warning("button_not_readable", path=self._path, reason=error.strerror)
            await asyncio.sleep(_AGAIN_S)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        device = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        readable = asyncio.Event()
        loop.add_reader(device, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                try:
                    events = os.read(device, 64 * _EVENT.size)
                except BlockingIOError:  # read a moment ago
                    continue
                if not events:
                    return
                for _ in presses(events, self._code):
                    log.info("button_pressed", path=self._path)
                    self._pressed()
        finally:
            loop.remove_reader(device)
            os.close(device)


def presses(events: bytes, code: int) -> Iterator[int]:
    """The places in `events` where key `code` went down; repeats and releases are none."""
    whole = len(events) - len(events) % _EVENT.size
    for place, (_, _, kind, key, value) in enumerate(_EVENT.iter_unpack(events[:whole])):
        if (kind, key, value) == (_EV_KEY, code, _PRESSED):
            yield place
