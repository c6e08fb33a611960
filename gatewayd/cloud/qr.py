"""The QR code on a gateway (§3.1): its text encoded and decoded, and drawn for a terminal (extra `qr`: segno)."""

import io
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from gatewayd.model.errors import GatewayError, MalformedError

_APP: Final = ("api", "app")
_MAX_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class QrData:
    """`base url/api/app/type/uuid`: the cloud, the model (`type_sub`) and the uuid of a device."""

    base_url: str
    type_sub: str
    uuid: str

    def __str__(self) -> str:
        parts = (*_APP, quote(self.type_sub, safe=""), quote(self.uuid, safe=""))
        return "/".join((self.base_url.rstrip("/"), *parts))


def parse_qr(text: str) -> QrData:
    """The data in the text of a QR code. Raises MalformedError with the reason."""
    if len(text) > _MAX_CHARACTERS:
        raise MalformedError(f"a QR code of this API has at most {_MAX_CHARACTERS} characters, not {len(text)}")
    try:
        url = urlsplit(text.strip())
    except ValueError as error:
        raise MalformedError(f"{text!r} is no address: {error}") from error
    parts = url.path.split("/")
    if url.scheme not in {"http", "https"} or not url.netloc or len(parts) < 5 or tuple(parts[-4:-2]) != _APP:
        raise MalformedError(f"{text!r} is not <base url>/api/app/<type>/<uuid>")
    type_sub, uuid = unquote(parts[-2]), unquote(parts[-1])
    if not type_sub or not uuid or url.query or url.fragment:
        raise MalformedError(f"{text!r} is not <base url>/api/app/<type>/<uuid>")
    base_url = f"{url.scheme}://{url.netloc}{'/'.join(parts[:-4])}"
    return QrData(base_url, type_sub, uuid)


def draw_qr(data: QrData) -> str:
    """The QR code in half-block characters for a terminal, two modules each. Raises GatewayError without segno."""
    try:
        import segno  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise GatewayError("a QR code needs segno: install gatewayd[qr]") from error
    out = io.StringIO()
    segno.make(str(data), micro=False).terminal(out=out, compact=True)
    return out.getvalue()
