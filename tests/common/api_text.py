"""The API's own text as test data: its sections, and their JSON examples, which are not always valid JSON."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

API: Final = Path(__file__).parents[2] / "docs" / "cloud-api.md"

_HEADING: Final = re.compile(r"^\s*#{2,4}\s*(\d+\.?\d*)\s*\.?\s*(.*)$", re.MULTILINE)

# Commas count as blanks: some are missing in the text, others superfluous or full-width.
_BLANK: Final = re.compile(r"(?:[\s,，]|//[^\n]*|#[^\n]*|\.\.\.)*")
_KEY: Final = re.compile(r"""(?:(["'])(\w+)\1|([A-Za-z_]\w*)\s*(?:\([^)]*\))?)\s*[:：]""")
_STRING: Final = re.compile(r"""(["'])(.*?)\1(?!\s*:)""")
_CONSTANT: Final = re.compile(r"(-?\d+(?:\.\d+)?|true|false|null)(?=[\s,，}\]/])")
_TEXT: Final = re.compile(r"[^\n}\]]*?(?=\s*,?\s*(?:\n|[}\]]))")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


class Example(NamedTuple):
    """A JSON example, and the line of the text where it begins."""

    section: str
    line: int
    value: Any


def sections() -> list[tuple[str, int, str]]:
    """Number, first line and text of each section, in order; PUSH, which the text numbers 11.1 too, is 11.2."""
    text = API.read_text(encoding="utf-8")
    heads = list(_HEADING.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        ("11.2" if "PUSH" in head[2] else head[1], text.count("\n", 0, head.end()) + 1, text[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
    ]


def examples() -> list[Example]:
    """Every example, in order."""
    found = []
    for section, first, text in sections():
        at = 0
        while (at := text.find("{", at)) != -1:
            reader = _Reader(text, at)
            found.append(Example(section, first + text.count("\n", 0, at), reader.value()))
            at = reader.at
    return [one for one in found if one.value]  # the brace among §2.9's statuses is a misprint


def answers(section: str) -> list[Any]:
    """The examples of a section that are answers, with `msg` and `status`."""
    return [one.value for one in examples() if one.section == section and {"msg", "status"} <= one.value.keys()]


def requests(section: str) -> list[Any]:
    """The examples of a section that are requests, without `msg`."""
    return [one.value for one in examples() if one.section == section and "msg" not in one.value]


class _Reader:
    """Decodes one value of nearly JSON, from position `at` on."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at

    def value(self) -> Any:
        self._take(_BLANK)
        match self._text[self.at]:
            case "{":
                return self._object()
            case "[":
                return self._array()
        if (string := self._take(_STRING)) is not None:
            return string[2]
        if _KEY.match(self._text, self.at):
            return None  # the next key: this one has no value
        if (constant := self._take(_CONSTANT)) is not None:
            text = constant[1]
            return _CONSTANTS[text] if text in _CONSTANTS else float(text) if "." in text else int(text)
        unquoted = self._take(_TEXT)
        return unquoted[0] if unquoted is not None else None

    def _object(self) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while True:
            self._take(_BLANK)
            if self.at >= len(self._text) or self._text[self.at] == "}":
                self.at += 1
                return found
            if (key := self._take(_KEY)) is not None:
                found[key[2] or key[3]] = self.value()
            else:
                self.at = self._text.index("\n", self.at)  # a comment

    def _array(self) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while True:
            self._take(_BLANK)
            if self._text[self.at] == "]":
                self.at += 1
                return found
            found.append(self.value())

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        if (match := pattern.match(self._text, self.at)) is not None:
            self.at = match.end()
        return match
