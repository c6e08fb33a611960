"""TLS for a board whose clock may be wrong: OpenSSL judges the dates of certificates by the system's clock alone.

While that clock is wrong for sure, OpenSSL is told to leave the dates alone, and the server's certificate is judged
here by the time that is known. Chain, host name and signatures are verified by OpenSSL as ever.
"""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME


class TlsClock(Protocol):
    """What is known of the time."""

    def is_system_wrong(self) -> bool:
        """Whether the system's clock is wrong for sure."""
        ...

    def known_now(self) -> datetime | None:
        """The time; None where no clock can be trusted."""
        ...

    def not_before(self) -> datetime:
        """A time that is past for sure."""
        ...


class _ServerDates:
    """The dates of one connection's server certificate: `judge` raises where it is not valid now.

    While the time is not known, only what had expired before the lower bound is refused; it is judged again, for good,
    as soon as the time is known.
    """

    def __init__(self, clock: TlsClock, certificate: dict[str, Any]) -> None:
        self._clock = clock
        self._since, self._until = (_date(certificate.get(name)) for name in ("notBefore", "notAfter"))
        self._is_settled = False

    def judge(self) -> None:
        """Raises SSLCertVerificationError."""
        if self._is_settled:
            return
        now = self._clock.known_now()
        if self._until < (now or self._clock.not_before()):
            raise _refusal(f"it expired on {self._until:%Y-%m-%d %H:%M} UTC")
        if now is not None and now < self._since:
            raise _refusal(f"it is not valid before {self._since:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}")
        self._is_settled = now is not None


class _Object(ssl.SSLObject):
    """What asyncio uses."""

    clock: TlsClock | None = None  # None: OpenSSL judges the dates
    dates: _ServerDates | None = None

    def do_handshake(self) -> None:
        super().do_handshake()
        if self.clock is not None:
            self.dates = _ServerDates(self.clock, self.getpeercert() or {})
            self.dates.judge()

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        if self.dates is not None:
            self.dates.judge()
        return super().read(len) if buffer is None else super().read(len, buffer)

    def write(self, data: Any) -> int:
        if self.dates is not None:
            self.dates.judge()
        return super().write(data)


class _Socket(ssl.SSLSocket):
    """What paho uses."""

    clock: TlsClock | None = None
    dates: _ServerDates | None = None

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        if self.clock is not None:
            self.dates = _ServerDates(self.clock, self.getpeercert() or {})
            self.dates.judge()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if self.dates is not None:
            self.dates.judge()
        return super().recv(buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        if self.dates is not None:
            self.dates.judge()
        return super().send(data, flags)


class ClientContext(ssl.SSLContext):
    """`ssl.create_default_context` for clients, with dates judged by `clock` where the system's clock is wrong.

    For one thread at a time. Made by `client_context`.
    """

    sslobject_class = _Object
    sslsocket_class = _Socket
    clock: TlsClock

    def wrap_bio(self, *arguments: Any, **settings: Any) -> ssl.SSLObject:
        clock = self._begin()
        made = super().wrap_bio(*arguments, **settings)
        assert isinstance(made, _Object)
        made.clock = clock
        return made

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        clock = self._begin()
        made = super().wrap_socket(sock, server_side, False, suppress_ragged_eofs, server_hostname, session)
        assert isinstance(made, _Socket)
        made.clock = clock
        if do_handshake_on_connect:
            made.do_handshake()
        return made

    def _begin(self) -> TlsClock | None:
        """Set who judges the dates of the next connection; returns our clock, None where OpenSSL does."""
        is_ours = self.clock.is_system_wrong()
        self.verify_flags = self.verify_flags | _NO_CHECK_TIME if is_ours else self.verify_flags & ~_NO_CHECK_TIME
        return self.clock if is_ours else None


def client_context(clock: TlsClock, ca_file: Path | None = None) -> ClientContext:
    """A context that trusts the system's authorities, or those in `ca_file`. Raises OSError, ssl.SSLError."""
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.clock = clock
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _date(text: Any) -> datetime:
    """A date as `getpeercert` has it. Raises SSLCertVerificationError where it is none."""
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise _refusal(f"its date {text!r} cannot be read") from error


def _refusal(reason: str) -> ssl.SSLCertVerificationError:
    return ssl.SSLCertVerificationError(f"certificate verify failed: {reason}, judged by the best time that is known")
