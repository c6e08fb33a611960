"""Which version is newer (§2.12): compared as versions, never as text. Pure."""

import re
from functools import total_ordering
from typing import Final

_NUMBERS: Final = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(?:[-+.]?([a-zA-Z].*))?")


@total_ordering
class FirmwareVersion:
    """ "1.10.0" is newer than "1.9"; "1.2.0-rc1" is older than "1.2.0". Raises ValueError for what is no version."""

    def __init__(self, text: str) -> None:
        found = _NUMBERS.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no version; 1.2.3 is one")
        numbers = [int(number) for number in found[1].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        self._text = text.strip()
        self._numbers = tuple(numbers)
        self._label = found[2]

    def __str__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FirmwareVersion) and self._key() == other._key()

    def __lt__(self, other: "FirmwareVersion") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, ...], bool, str]:
        """A release comes after whatever has a label behind the same numbers."""
        return self._numbers, self._label is None, self._label or ""
