"""Firmware versions (§2.12), compared number by number and not as text. Pure."""

import re
from functools import total_ordering
from typing import Final

_VERSION: Final = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(?:[-+.]?([a-zA-Z].*))?")


@total_ordering
class FirmwareVersion:
    """A version: "1.10.0" is newer than "1.9", "1.2.0-rc1" older than "1.2.0". Raises ValueError for any other text."""

    def __init__(self, text: str) -> None:
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no version; 1.2.3 is one")
        numbers = [int(number) for number in match[1].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        self._text = text.strip()
        self._numbers = tuple(numbers)
        self._label = match[2]

    def __str__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FirmwareVersion) and self._key() == other._key()

    def __lt__(self, other: "FirmwareVersion") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, ...], bool, str]:
        """The key for comparison: of two versions with the same numbers, the one without a label is newer."""
        return self._numbers, self._label is None, self._label or ""
