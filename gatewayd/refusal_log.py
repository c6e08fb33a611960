"""Log lines about what was refused: short, without the offending values, and few for one source.

What is refused comes from outside: a PIN may have been typed into a title, a name may have 60,000 letters, and a phone
that fails repeats itself.
"""

import re
from collections.abc import Callable
from typing import Final

import structlog

from gatewayd.line_limit import LineAllowance, LineAllowances, LineRate

log = structlog.get_logger()

_MAX_CHARS: Final = 200
_MAX_READ: Final = 1_000  # of a reason; what follows is not looked at
_MAX_SOURCES: Final = 256
_TOTAL: Final = 10
"""The share of all sources together, in shares of one."""

_VALUE: Final = re.compile(
    r"""
      (?<!\w)'(?:[^'\\]|\\.)*'(?!\w)      # a text as Python shows it
    | (?<!\w)"(?:[^"\\]|\\.)*"(?!\w)
    | (?<!\w)['"].*                        # one that was cut
    | (?<![\w-])\d{4,}(?![\w-])            # a number that can be a PIN or a telephone's; years of dates stay
    """,
    re.VERBOSE | re.DOTALL,
)


def redact(reason: object) -> str:
    """`reason` as text with the values that it quotes left out, at most 200 characters of it."""
    text = _VALUE.sub("…", str(reason)[:_MAX_READ])
    return cut(text)


def cut(text: str) -> str:
    """The first 200 characters of `text`."""
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


class RefusalLog:
    """Writes at most `burst` lines of a source at once, and one every `interval_s` on average, and `_TOTAL` times as
    many of all sources together: they may be many. `suppressed` in a line says how many of its source were left out
    before it, `suppressed_of_all` how many of any, where all together had too many. `monotonic` returns seconds.
    """

    def __init__(self, monotonic: Callable[[], float], *, burst: int = 10, interval_s: float = 30.0) -> None:
        self._monotonic = monotonic
        self._all = LineAllowance(LineRate(burst * _TOTAL, interval_s / _TOTAL), monotonic())
        self._sources = LineAllowances(LineRate(burst, interval_s), _MAX_SOURCES)

    def info(self, event: str, reason: object, *, source: str, **facts: object) -> None:
        """Log `event` with the redacted `reason` and `facts`, each cut, unless `source` has had its share."""
        if (shown := self._shown(reason, source, facts)) is not None:
            log.info(event, **shown)

    def warning(self, event: str, reason: object, *, source: str, **facts: object) -> None:
        """As `info`, as a warning."""
        if (shown := self._shown(reason, source, facts)) is not None:
            log.warning(event, **shown)

    def _shown(self, reason: object, source: str, facts: dict[str, object]) -> dict[str, object] | None:
        now = self._monotonic()
        found = self._sources.of(cut(source), now)
        self._all.refill(now)
        if found.is_empty or self._all.is_empty:
            found.suppressed += 1
            self._all.suppressed += self._all.is_empty
            return None
        shown = {name: cut(value) if isinstance(value, str) else value for name, value in facts.items()}
        if suppressed := found.take():
            shown["suppressed"] = suppressed
        if suppressed_of_all := self._all.take():
            shown["suppressed_of_all"] = suppressed_of_all
        return {**shown, "reason": redact(reason)}
