"""HTTP with the cloud: one session, bounded answers, retries where they are safe, no redirects.

An answer's outcome is its `status`, not its HTTP code (§1 to §3). What the statuses of a section mean, and what the
`msg` holds, is the endpoints' business.
"""

import asyncio
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from gatewayd.cloud.rest.errors import CloudUnavailableError, RefusedByCloudError, UncertainError
from gatewayd.model.rest_status import SERVER_ERROR, rest_status

MAX_ANSWER: Final = 4 << 20
"""Bytes; a longer answer is cut off and refused."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_TRIES: Final = 3
_FIRST_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the API: `section` decides what its statuses mean."""

    section: str
    method: str
    path: str

    @property
    def is_repeatable(self) -> bool:
        """True where the same call twice does what one does."""
        return self.method != "POST"


class _Answer(msgspec.Struct):
    status: int | str
    msg: Any = None
    desc: str = ""


class Transport:
    """Sends calls. Use it as an async context manager."""

    def __init__(self, base_url: str, *, tls: ssl.SSLContext | None = None, chance: random.Random) -> None:
        self._base_url = base_url.rstrip("/")
        self._tls = tls
        self._chance = chance
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Transport":
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=4)
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        endpoint: Endpoint,
        *,
        id_: int | None = None,
        token: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """The `msg` of a success.

        Raises RefusedByCloudError for any other documented or undocumented status, CloudUnavailableError where no
        answer could be had after a few tries, UncertainError where a POST may have been carried out all the same.
        """
        pause = _FIRST_PAUSE_S
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(endpoint, id_, token, query, body)
            except UncertainError:
                raise
            except CloudUnavailableError:
                if attempt == _TRIES:
                    raise
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.0))
            pause *= 2
        raise AssertionError("unreachable")

    async def _once(
        self, endpoint: Endpoint, id_: int | None, token: str | None, query: Mapping[str, str] | None, body: Any
    ) -> Any:
        path = endpoint.path if id_ is None else f"{endpoint.path}{id_}/"
        call = f"{endpoint.method} {path}"
        assert self._session is not None
        headers = {"Authorization": f"Token {token}"} if token is not None else {}
        try:
            async with self._session.request(
                endpoint.method,
                self._base_url + path,
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers | {"Content-Type": "application/json"},
                allow_redirects=False,  # the token goes to the host that it belongs to, and nowhere else
            ) as response:
                content = await _bounded(response)
                http_status = response.status
        except aiohttp.ClientConnectorError as error:
            raise CloudUnavailableError(f"{call}: cannot connect ({_reason(error)})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(endpoint, f"{call}: no answer ({_reason(error)})") from error
        if http_status >= 500:
            raise _lost(endpoint, f"{call}: HTTP {http_status}")
        if 300 <= http_status < 400:
            raise CloudUnavailableError(f"{call}: HTTP {http_status}, a redirect; it is not followed")
        return _outcome(endpoint, call, http_status, content)


def _outcome(endpoint: Endpoint, call: str, http_status: int, content: bytes) -> Any:
    try:
        answer = msgspec.json.decode(content, type=_Answer)
        code = int(answer.status)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        shown = content[:60].decode("utf-8", "replace")
        raise _lost(endpoint, f"{call}: HTTP {http_status} with no answer of this API in it: {shown!r}") from error
    if code == SERVER_ERROR:
        raise _lost(endpoint, f"{call}: {code} {answer.desc}")
    known = rest_status(endpoint.section, code)
    if known is None or not known.is_success:
        raise RefusedByCloudError(call, code, answer.desc, known)
    return answer.msg


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise CloudUnavailableError(f"{response.method} {response.url.path}: an answer of over {MAX_ANSWER} bytes")
    return bytes(content)


def _lost(endpoint: Endpoint, what: str) -> CloudUnavailableError:
    return CloudUnavailableError(what) if endpoint.is_repeatable else UncertainError(what)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
