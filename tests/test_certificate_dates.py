"""Whose certificate is accepted while the system's clock is right, wrong, or wrong with the time known otherwise.

OpenSSL reads this machine's clock, so certificates are made that are not valid yet, or no longer, by it.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.certificate_dates import client_context
from tests.common.tls import private_ca

DAY, YEAR = timedelta(days=1), timedelta(days=365)
NOW = datetime.now(UTC)


@dataclass
class KnownTime:
    """What a board knows of the time."""

    is_wrong: bool = True
    known: datetime | None = None
    bound: datetime = NOW

    def is_system_wrong(self) -> bool:
        return self.is_wrong

    def known_now(self) -> datetime | None:
        return self.known

    def not_before(self) -> datetime:
        return self.bound


@asynccontextmanager
async def echo_server(tls: ssl.SSLContext) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)

    server = await asyncio.start_server(serve, "127.0.0.1", ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo_with_asyncio(context: ssl.SSLContext, port: int, between: Callable[[], None]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        between()
        writer.write(b"hello\n")
        line = await reader.readline()
        if not line and (error := reader.exception()) is not None:
            raise error
        return line
    finally:
        writer.transport.abort()


async def echo_with_socket(context: ssl.SSLContext, port: int, between: Callable[[], None]) -> bytes:
    def echo() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
        ):
            between()
            line.send(b"hello\n")
            return line.recv(100)

    return await asyncio.to_thread(echo)


Echo = Callable[[ssl.SSLContext, int, Callable[[], None]], Awaitable[bytes]]


@pytest.fixture(params=[echo_with_asyncio, echo_with_socket], ids=["asyncio", "socket"])
def echo(request: pytest.FixtureRequest) -> Echo:
    found: Echo = request.param
    return found


@pytest.mark.parametrize(
    ("since", "until", "clock"),
    [
        (-DAY, DAY, KnownTime(is_wrong=False)),
        (YEAR, 2 * YEAR, KnownTime()),
        (YEAR, 2 * YEAR, KnownTime(bound=NOW + YEAR + DAY)),
        (YEAR, 2 * YEAR, KnownTime(known=NOW + YEAR + DAY)),
        (-2 * YEAR, -YEAR, KnownTime(known=NOW - YEAR - DAY, bound=NOW - YEAR - DAY)),
    ],
    ids=["clock is right", "not yet known", "bound is within", "known", "clock is ahead"],
)
async def test_certificate_that_is_valid_by_what_is_known_is_accepted(
    tmp_path: Path, echo: Echo, since: timedelta, until: timedelta, clock: KnownTime
) -> None:
    ca, server = private_ca(tmp_path, since=since, until=until)
    async with echo_server(server) as port:
        assert await echo(client_context(clock, ca), port, lambda: None) == b"hello\n"


@pytest.mark.parametrize(
    ("since", "until", "clock", "reason"),
    [
        (YEAR, 2 * YEAR, KnownTime(is_wrong=False), "not yet valid"),
        (-2 * YEAR, -YEAR, KnownTime(is_wrong=False), "expired"),
        (YEAR, 2 * YEAR, KnownTime(bound=NOW + 2 * YEAR + DAY), "expired"),
        (YEAR, 2 * YEAR, KnownTime(known=NOW + 2 * YEAR + DAY), "expired"),
        (YEAR, 2 * YEAR, KnownTime(known=NOW), "not valid before"),
        (-2 * YEAR, -YEAR, KnownTime(), "expired"),
    ],
)
async def test_certificate_that_is_not_valid_by_what_is_known_is_refused(
    tmp_path: Path, echo: Echo, since: timedelta, until: timedelta, clock: KnownTime, reason: str
) -> None:
    ca, server = private_ca(tmp_path, since=since, until=until)
    async with echo_server(server) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            await echo(client_context(clock, ca), port, lambda: None)


async def test_host_name_and_authority_are_verified_while_the_clock_is_wrong(tmp_path: Path, echo: Echo) -> None:
    ca, server_of_another_name = private_ca(tmp_path, since=YEAR, until=2 * YEAR, address="127.0.0.2")
    async with echo_server(server_of_another_name) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            await echo(client_context(KnownTime(), ca), port, lambda: None)
    (other := tmp_path / "other").mkdir()
    _, server_of_another_authority = private_ca(other, since=YEAR, until=2 * YEAR)
    async with echo_server(server_of_another_authority) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
            await echo(client_context(KnownTime(), ca), port, lambda: None)


async def test_open_connection_is_judged_again_once_the_time_is_known(tmp_path: Path, echo: Echo) -> None:
    ca, server = private_ca(tmp_path, since=YEAR, until=2 * YEAR)
    clock = KnownTime()

    def tell() -> None:
        clock.known = NOW + 2 * YEAR + DAY

    async with echo_server(server) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await echo(client_context(clock, ca), port, tell)


async def test_context_lets_openssl_judge_again_once_the_clock_is_right(tmp_path: Path, echo: Echo) -> None:
    ca, server = private_ca(tmp_path, since=YEAR, until=2 * YEAR)
    clock = KnownTime()
    context = client_context(clock, ca)
    async with echo_server(server) as port:
        assert await echo(context, port, lambda: None) == b"hello\n"
        clock.is_wrong = False
        with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
            await echo(context, port, lambda: None)
