"""What a network is called in a datagram: the air carries bytes of any encoding, JSON carries text (§13). Pure.

UTF-8 where it is that, else GB18030, else an escape; the last list that was shown says which bytes a text meant.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gatewayd.model.errors import MalformedError

MAX_SSID: Final = 32
"""Bytes of a network's name (IEEE 802.11)."""

_ESCAPED: Final = re.compile(r"(?:[ -\[\]-~]|\\x[0-9a-f]{2})*")


class SsidNames:
    """The texts of one list of networks, each one different, and the bytes behind them.

    `former` is the list of before: a phone may still show it, and choose what has just faded out of the new one.
    """

    def __init__(self, ssids: Iterable[bytes] = (), former: "SsidNames | None" = None) -> None:
        self._former = {} if former is None else former._bytes
        self._bytes: dict[str, bytes] = {}
        self._texts: dict[bytes, str] = {}
        for ssid in ssids:
            if ssid not in self._texts:
                text = next(text for text in _forms(ssid) if text not in self._bytes)
                self._bytes[text] = ssid
                self._texts[ssid] = text

    def text(self, ssid: bytes) -> str:
        """What `ssid` is called in this list, or would be called alone."""
        return self._texts.get(ssid) or to_text(ssid)

    def ssid(self, text: str) -> bytes:
        """The bytes that `text` means: as in this list or the former, else an escape undone, else UTF-8 (hidden).

        Raises MalformedError where no network can be called that.
        """
        listed = self._bytes.get(text) or self._former.get(text)
        if listed:
            return listed
        try:
            ssid = _unescape(text) if _is_escape(text) else text.encode()
        except UnicodeEncodeError as error:
            raise MalformedError("data.ssid: not text that can be encoded") from error
        if not 1 <= len(ssid) <= MAX_SSID:
            raise MalformedError(f"data.ssid: {len(ssid)} bytes; a network's name has 1 to {MAX_SSID}")
        return ssid


def to_text(ssid: bytes) -> str:
    """What `ssid` is called where nothing else is called the same."""
    return next(_forms(ssid))


def _forms(ssid: bytes) -> Iterator[str]:
    for encoding in ("utf-8", "gb18030"):
        try:
            text = ssid.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _is_escape(text):  # it would be what another network is called, for want of any text
            yield text
    yield "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in ssid)


def _is_escape(text: str) -> bool:
    return "\\x" in text and _ESCAPED.fullmatch(text) is not None


def _unescape(text: str) -> bytes:
    return re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), text).encode("latin-1")
