"""Logging: structlog, one event a line, to stderr (the journal); libraries' own records go the same way.

Secrets are kept out twice: no code logs them, and a processor masks the value of every key with a secret's name.

A thread of its own writes the lines: a reader that stalls (a pipe that nobody empties) never blocks the event loop.
What does not fit into the queue is dropped and counted, and the number is written when there is room again.
What repeats itself without end is left out and counted (`repeated_lines`).
"""

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

from gatewayd.repeated_lines import RepeatedLines

SECRET_NAMES: Final = frozenset(
    {
        "password",
        "pwd",
        "pass",
        "passphrase",
        "pin",
        "token",
        "network_key",
        "key",
        "secret",
        "access_pass",
        "temp_pass",
    }
)

MAX_VALUE_CHARS: Final = 1_000
"""Of one value in a line."""

# Below WARNING these log frames and keys in hex, PINs among them: they stay at WARNING, whatever the level.
_CHATTY: Final = (
    "zigpy",
    "bellows",
    "serialx",
    "aiosqlite",
    "aiomqtt",
    "mqtt",
    "aiohttp",
    "asyncio",
    "dbus_fast",
)

MAX_WAITING: Final = 1 << 20
"""Characters of lines that may wait to be written."""

_FLUSH_S: Final = 0.5


class QueuedHandler(logging.Handler):
    """Formats a record where it is logged, and has a thread of its own write it to `stream`."""

    def __init__(self, stream: TextIO, form: str = "json") -> None:
        super().__init__()
        self._stream = stream
        self._form = form
        self._repeated = RepeatedLines(time.monotonic)
        self._waiting: deque[str] = deque()
        self._has_work = threading.Event()
        # Each counter is changed by one side alone: `emit`, under the handler's lock, or the thread.
        self._queued = self._written = 0  # characters
        self._overflowed = self._refused = self._reported = 0  # lines
        threading.Thread(target=self._run, name="log", daemon=True).start()

    @property
    def dropped(self) -> int:
        """Lines that did not fit into the queue, or that the stream refused."""
        return self._overflowed + self._refused

    @property
    def suppressed(self) -> int:
        """Lines that were left out, since they repeated others."""
        return self._repeated.suppressed

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; does not block."""
        try:
            admitted = self._repeated.admit(record)
            if admitted is None:
                return
            line = self.format(admitted) + "\n"
        except Exception:  # noqa: BLE001  (what cannot be formatted is counted, and the daemon goes on)
            self._overflowed += 1
            return
        if self._queued - self._written > MAX_WAITING:
            self._overflowed += 1
            return
        self._queued += len(line)
        self._waiting.append(line)
        self._has_work.set()

    def flush(self) -> None:
        """Wait until what was logged so far is written, half a second at most."""
        queued, until = self._queued, time.monotonic() + _FLUSH_S
        while self._written < queued and time.monotonic() < until:
            time.sleep(0.002)

    def _run(self) -> None:
        while True:
            self._has_work.wait()
            self._has_work.clear()
            while self._waiting:
                line = self._waiting.popleft()
                self._write(line)
                self._written += len(line)
            if (dropped := self.dropped) > self._reported:
                self._write(self._dropped_line(dropped - self._reported))
                self._reported = dropped

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):  # the reader is gone, the disk is full, the stream is closed
            self._refused += 1

    def _dropped_line(self, count: int) -> str:
        if self._form == "json":
            facts = {"event": "log_lines_dropped", "count": count, "so_far": self.dropped, "level": "warning"}
            return json.dumps(facts) + "\n"
        return f"[warning  ] log_lines_dropped              count={count} so_far={self.dropped}\n"


def configure(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Set up logging for this process: `level` as in `[log] level`, `form` "json" or "console"."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
        cut_values,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        # ConsoleRenderer's own tracebacks show the local variables of every frame, passphrases among them.
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            add_repetitions,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
    )
    handler = QueuedHandler(stream, form)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    set_level(level)


def flush() -> None:
    """Wait until what was logged so far is written; half a second at most, since its reader may have stalled."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def dropped_lines() -> int:
    """How many lines were lost since the start, because the reader of the log did not keep up."""
    return sum(handler.dropped for handler in logging.getLogger().handlers if isinstance(handler, QueuedHandler))


def suppressed_lines() -> int:
    """How many lines were left out since the start, because they repeated others."""
    return sum(handler.suppressed for handler in logging.getLogger().handlers if isinstance(handler, QueuedHandler))


def set_level(level: str) -> None:
    """Set the level of the running process (`gatewayctl log-level`)."""
    logging.getLogger().setLevel(level.upper())


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: mask the values of keys in `SECRET_NAMES`, in nested mappings too."""
    for name, value in event.items():
        if name in SECRET_NAMES and value is not None:
            event[name] = "***"
        elif isinstance(value, dict):
            event[name] = mask_secrets(_logger, _method, dict(value))
    return event


def add_repetitions(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: say how many such records were left out before, and the error whose traceback was."""
    record = event["_record"]
    if suppressed := getattr(record, "suppressed", 0):
        event["suppressed"] = suppressed
    if error := getattr(record, "error", None):
        event["error"] = _cut(error)
    return event


def cut_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: cut long values, many of which come from outside. Tracebacks are added after it."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _cut(value)
        elif isinstance(value, bytes | dict | list | tuple | set) and len(text := repr(value)) > MAX_VALUE_CHARS:
            event[name] = _cut(text)
    return event


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}… ({len(text)} characters)"
