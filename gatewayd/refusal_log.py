"""Log lines about what was refused: short, without the offending values, and few for one source.

What is refused comes from outside: a PIN may have been typed into a title, a name may have 60,000 letters, and a phone
that fails repeats itself.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

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


@dataclass(slots=True)
class _Source:
    tokens: float
    filled_at: float
    suppressed: int = 0


class RefusalLog:
    """Writes at most `burst` lines of a source at once, and one every `interval_s` on average, and `_TOTAL` times as
    many of all sources together: they may be many. `suppressed` in a line says how many of its source were left out
    before it, `suppressed_of_all` how many of any, where all together had too many. `monotonic` returns seconds.
    """

    def __init__(self, monotonic: Callable[[], float], *, burst: int = 10, interval_s: float = 30.0) -> None:
        self._monotonic = monotonic
        self._burst = burst
        self._interval_s = interval_s
        self._all = _Source(burst * _TOTAL, monotonic())
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def info(self, event: str, reason: object, *, source: str, **facts: object) -> None:
        """Log `event` with the redacted `reason` and `facts`, each cut, unless `source` has had its share."""
        if (shown := self._shown(reason, source, facts)) is not None:
            log.info(event, **shown)

    def warning(self, event: str, reason: object, *, source: str, **facts: object) -> None:
        """As `info`, as a warning."""
        if (shown := self._shown(reason, source, facts)) is not None:
            log.warning(event, **shown)

    def _shown(self, reason: object, source: str, facts: dict[str, object]) -> dict[str, object] | None:
        found = self._take(cut(source))
        if found is None:
            return None
        shown = {name: cut(value) if isinstance(value, str) else value for name, value in facts.items()}
        if found.suppressed:
            shown["suppressed"], found.suppressed = found.suppressed, 0
        if self._all.suppressed:
            shown["suppressed_of_all"], self._all.suppressed = self._all.suppressed, 0
        return {**shown, "reason": redact(reason)}

    def _take(self, source: str) -> _Source | None:
        """The source, where a line of it may be written; else None."""
        now = self._monotonic()
        found = self._sources.setdefault(source, _Source(self._burst, now))
        self._sources.move_to_end(source)
        if len(self._sources) > _MAX_SOURCES:
            self._sources.popitem(last=False)
        self._fill(found, self._burst, self._interval_s, now)
        self._fill(self._all, self._burst * _TOTAL, self._interval_s / _TOTAL, now)
        if found.tokens < 1 or self._all.tokens < 1:
            found.suppressed += 1
            self._all.suppressed += self._all.tokens < 1
            return None
        found.tokens -= 1
        self._all.tokens -= 1
        return found

    @staticmethod
    def _fill(source: _Source, burst: float, interval_s: float, now: float) -> None:
        source.tokens = min(burst, source.tokens + (now - source.filled_at) / interval_s)
        source.filled_at = now
