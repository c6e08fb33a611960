"""Logging: structlog, one event a line, to stderr (the journal); libraries' own records go the same way.

Secrets are kept out twice: no code logs them, and a processor masks the value of every key with a secret's name.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

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
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
    )
    handler = logging.StreamHandler(stream)
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


def cut_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: cut long values, many of which come from outside. Tracebacks are added after it."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
            event[name] = f"{value[:MAX_VALUE_CHARS]}… ({len(value)} characters)"
        elif isinstance(value, bytes | dict | list | tuple | set) and len(text := repr(value)) > MAX_VALUE_CHARS:
            event[name] = f"{text[:MAX_VALUE_CHARS]}… ({len(text)} characters)"
    return event
