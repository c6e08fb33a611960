"""The admin socket (Unix domain): users who may open it (its group) may call the console's methods.

The methods are `console`'s; the format of calls and replies is `wire`'s.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog

from gatewayd.admin.wire import MAX_LINE, AdminCall, AdminReply, encode
from gatewayd.model.errors import GatewayError, MalformedError

log = structlog.get_logger()

T = TypeVar("T")

_MAX_QUOTED: Final = 100  # characters of a method's name in a refusal
_LOOK_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Method:
    """A method: the struct that its params decode into, and the function that returns a value for JSON."""

    params: type[msgspec.Struct]
    run: Callable[[Any], Awaitable[object]]


class AdminServer:
    """Serves `methods` on the socket at `path` while `listening` is entered."""

    def __init__(self, path: Path, methods: Mapping[str, Method], *, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._path = path
        self._methods = methods
        self._look_every_s = look_every_s
        self._identity: tuple[int, int] | None = None
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen; make the socket's file again where it is gone, and remove it at the end. Raises GatewayError where it
        cannot be created.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            await self._remove_stale_socket()
            await self._listen()
        except OSError as error:
            raise GatewayError(
                f"the admin socket {self._path} cannot be made: {error.strerror or error}; admin.socket says where"
            ) from error
        looking = asyncio.create_task(self._keep_listening(), name="admin-socket")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            self._close()

    async def _keep_listening(self) -> None:
        """Listen anew where the socket's file was removed or replaced by another's: nobody can connect then."""
        while True:
            await asyncio.sleep(self._look_every_s)
            if _identity(self._path) == self._identity or not self._path.parent.is_dir():
                continue  # a folder that is gone is for others to make: it may be what is mounted there
            try:
                await self._remove_stale_socket()
                self._close()
                await self._listen()
            except (OSError, GatewayError) as error:
                log.warning("admin_socket_lost", path=str(self._path), reason=str(error))
            except Exception:
                log.exception("admin_socket_lost", path=str(self._path))
            else:
                log.warning("admin_socket_made_again", path=str(self._path))

    async def _listen(self) -> None:
        self._server = await self._start()
        self._identity = _identity(self._path)

    def _close(self) -> None:
        """Listen no longer, and remove the socket's file where it is ours. Those who are connected stay so."""
        if self._server is None:
            return
        self._server.close()  # from Python 3.12 on, to wait for it would be to wait for every client to go
        self._server = None
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)

    async def _remove_stale_socket(self) -> None:
        """Remove a socket that a killed daemon left behind. Raises GatewayError where something else is there."""
        if not self._path.exists():
            return
        if not self._path.is_socket():
            raise GatewayError(f"the admin socket {self._path} cannot be made: a file that is no socket is there")
        try:
            _, writer = await asyncio.open_unix_connection(str(self._path))
        except ConnectionError:
            self._path.unlink(missing_ok=True)
        else:
            writer.close()
            raise GatewayError(f"another gatewayd listens at {self._path}; admin.socket says where this one does")

    async def _start(self) -> asyncio.Server:
        before = os.umask(0o117)
        try:
            return await asyncio.start_unix_server(self._serve, str(self._path), limit=MAX_LINE)
        finally:
            os.umask(before)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(await self.reply(line))
                await writer.drain()
        except ValueError:  # a line over the limit: where the next one begins is not known
            log.info("admin_connection_ended", reason=f"a line of over {MAX_LINE} bytes")
        except ConnectionError as error:
            log.info("admin_connection_ended", reason=str(error))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def reply(self, line: bytes) -> bytes:
        """The reply to one line, whatever is in it."""
        try:
            call = _decode(line, AdminCall)
            method = self._methods.get(call.method)
            if method is None:
                name = call.method[:_MAX_QUOTED]
                return _refusal(f"unknown method {name!r}; there are: {', '.join(sorted(self._methods))}")
            params = _decode(bytes(call.params), method.params)
            return encode(AdminReply(result=await method.run(params)))
        except GatewayError as error:
            return _refusal(str(error))
        except Exception:  # a fault of ours: the caller gets an error, the daemon goes on
            log.exception("admin_method_failed", line=len(line))
            return _refusal("gatewayd could not do it; its log says why")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells the file at `path` from others; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _decode(text: bytes, kind: type[T]) -> T:
    """Raises MalformedError."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"cannot be read: {error}") from error


def _refusal(reason: str) -> bytes:
    return encode(AdminReply(error=reason))
