"""Network names in datagrams: an ssid is bytes in any encoding, JSON carries text (§13). Pure.

An ssid is shown as UTF-8 where it is valid UTF-8, else as GB18030, else escaped. A text that a phone sends back is
looked up in the list that was sent to it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gatewayd.model.errors import MalformedError

MAX_SSID_BYTES: Final = 32
"""IEEE 802.11."""

_ENCODINGS: Final = ("utf-8", "gb18030")
_ESCAPED: Final = re.compile(r"(?:[ -\[\]-~]|\\x[0-9a-f]{2})*")


class SsidTable:
    """The ssids of one list of networks, each with a text that no other in the list has.

    `former` is the table of the list before: a phone may still show that one, and choose a network that only it had.
    """

    def __init__(self, ssids: Iterable[bytes] = (), former: "SsidTable | None" = None) -> None:
        self._former = {} if former is None else former._ssids  # noqa: SLF001  (the same class)
        self._ssids: dict[str, bytes] = {}
        self._texts: dict[bytes, str] = {}
        for ssid in ssids:
            if ssid not in self._texts:
                text = next(text for text in _candidates(ssid) if text not in self._ssids)
                self._ssids[text] = ssid
                self._texts[ssid] = text

    def to_text(self, ssid: bytes) -> str:
        """The text of `ssid` in this list; for an ssid that is not in it, as `to_text` below."""
        return self._texts.get(ssid) or to_text(ssid)

    def to_bytes(self, text: str) -> bytes:
        """The ssid that `text` stands for: in this list, else in the former one, else unescaped, else as UTF-8.

        Raises MalformedError where `text` cannot be an ssid.
        """
        listed = self._ssids.get(text) or self._former.get(text)
        if listed:
            return listed
        try:
            ssid = _unescape(text) if _is_escaped(text) else text.encode()
        except UnicodeEncodeError as error:
            raise MalformedError("data.ssid: not text that can be encoded") from error
        if not 1 <= len(ssid) <= MAX_SSID_BYTES:
            raise MalformedError(f"data.ssid: {len(ssid)} bytes; a network's name has 1 to {MAX_SSID_BYTES}")
        return ssid


def to_text(ssid: bytes) -> str:
    """The text of `ssid` where no other network has the same one."""
    return next(_candidates(ssid))


def _candidates(ssid: bytes) -> Iterator[str]:
    """Texts for `ssid`, the best first; the last, escaped, belongs to this ssid alone."""
    for encoding in _ENCODINGS:
        try:
            text = ssid.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _is_escaped(text):  # else it could be the escaped text of another ssid
            yield text
    yield "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != ord("\\") else f"\\x{byte:02x}" for byte in ssid)


def _is_escaped(text: str) -> bool:
    return "\\x" in text and _ESCAPED.fullmatch(text) is not None


def _unescape(text: str) -> bytes:
    return re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), text).encode("latin-1")
