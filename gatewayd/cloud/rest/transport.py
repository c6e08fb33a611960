"""HTTP with the cloud: one session, bounded answers, retries where they are safe, no redirects.

An answer's outcome is its `status`, not its HTTP code (§1 to §3). What an answer's `msg` holds is the endpoints'
business.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from gatewayd.cloud.rest.endpoints import RestEndpoint
from gatewayd.cloud.rest.errors import CloudUnavailableError, UncertainError, refusal
from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import is_server_error, rest_status

T = TypeVar("T")

MAX_ANSWER: Final = 4 << 20
"""Bytes; a longer answer is cut off and refused."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_LONG: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=30)
_TRIES: Final = 3
_FIRST_PAUSE_S: Final = 0.5
_SHOWN: Final = 200  # letters of the cloud's own words in an error
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_TOKEN_REFUSED: Final = 400000


class _RestAnswer(msgspec.Struct):
    status: int | str
    msg: Any = None
    desc: str | None = None
    err: Any = None


@dataclass(frozen=True, slots=True)
class _HttpAnswer:
    """What came back, before anybody has looked into it."""

    status: int
    content_type: str
    content: bytes

    def __str__(self) -> str:
        """A page's beginning, and of anything else only how much it is: it may be half an answer with a token in it."""
        is_page = self.content.lstrip()[:1] == b"<"
        return repr(self.content[:60].decode("utf-8", "replace")) if is_page else f"{len(self.content)} bytes"


class Transport:
    """Sends calls. Use it as an async context manager."""

    def __init__(
        self,
        base_url: str,
        *,
        tls: ssl.SSLContext | None = None,
        chance: random.Random,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._tls = tls
        self._chance = chance
        self._timeout = timeout
        self._first_pause_s = first_pause_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Transport":
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=4)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def url(self, endpoint: RestEndpoint, id_: int | str | None = None) -> str:
        """Where an endpoint is."""
        return self._base_url + _path(endpoint, id_)

    async def call(
        self,
        endpoint: RestEndpoint,
        *,
        id_: int | str | None = None,
        token: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """The `msg` of a success.

        Raises RefusedByCloudError for any other status, documented or not, CloudUnavailableError where no answer
        could be had after a few tries, UncertainError where a POST may have been carried out all the same.
        """
        return await self._tried(endpoint, id_, token, query, body, _outcome)

    async def picture(self, endpoint: RestEndpoint, *, id_: int, token: str | None) -> bytes:
        """The image that a GET answers with instead of JSON (§1.10). Raises as `call` does."""
        return await self._tried(endpoint, id_, token, None, None, _image)

    async def _tried(
        self,
        endpoint: RestEndpoint,
        id_: int | str | None,
        token: str | None,
        query: Mapping[str, str] | None,
        body: Any,
        read: Callable[[RestEndpoint, str, _HttpAnswer], T],
    ) -> T:
        pause = self._first_pause_s
        for attempt in range(1, _TRIES + 1):
            try:
                raw = await self._sent(endpoint, id_, token, query, body)
                return read(endpoint, f"{endpoint.method} {_path(endpoint, id_)}", raw)
            except UncertainError:
                raise
            except CloudUnavailableError:
                if attempt == _TRIES:
                    raise
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.0))
            pause *= 2
        raise AssertionError("unreachable")

    async def _sent(
        self,
        endpoint: RestEndpoint,
        id_: int | str | None,
        token: str | None,
        query: Mapping[str, str] | None,
        body: Any,
    ) -> _HttpAnswer:
        """One request and its answer, which is one of the API's as far as HTTP tells."""
        call = f"{endpoint.method} {_path(endpoint, id_)}"
        assert self._session is not None
        if self._session.closed:  # while the daemon stops, other parts may call once more
            raise CloudUnavailableError(f"{call}: the connection to the cloud is closed")
        headers = {"Authorization": f"Token {token}"} if token is not None else {}
        try:
            async with self._session.request(
                endpoint.method,
                self.url(endpoint, id_),
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers | {"Content-Type": "application/json"},
                allow_redirects=False,  # the token goes to the host that it belongs to, and nowhere else
            ) as response:
                raw = _HttpAnswer(response.status, response.content_type, await _bounded(response))
        except aiohttp.ClientConnectorError as error:
            raise CloudUnavailableError(f"{call}: cannot connect ({_reason(error)})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(endpoint, f"{call}: no answer ({_reason(error)})") from error
        if raw.status >= 500:
            raise _lost(endpoint, f"{call}: HTTP {raw.status}")
        if 300 <= raw.status < 400:
            raise CloudUnavailableError(f"{call}: HTTP {raw.status}, a redirect; it is not followed{_hint(raw)}")
        return raw

    @asynccontextmanager
    async def file(self, address: str, *, token: str | None, start: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """A file that the cloud names, from byte `start` on; `address` may be relative to the base URL.

        The token goes along to the cloud's own host alone. Raises CloudError where the address cannot be used,
        CloudUnavailableError where the file cannot be had.
        """
        base = URL(self._base_url)
        try:
            url = base.join(URL(address))
        except ValueError as error:
            raise CloudError(f"GET {address}: no address of a file ({error})") from error
        if url.scheme not in {"https", base.scheme}:
            raise CloudError(f"GET {url}: not over TLS, as the cloud is")
        headers = {"Range": f"bytes={start}-"} if start else {}
        if token is not None and url.origin() == base.origin():
            headers["Authorization"] = f"Token {token}"
        headers["Accept-Encoding"] = "identity"  # a range is one of the file's own bytes
        assert self._session is not None
        try:
            response = await self._session.get(url, headers=headers, allow_redirects=False, timeout=_LONG)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CloudUnavailableError(f"GET {url}: {_reason(error)}") from error
        async with response:
            yield response


def _path(endpoint: RestEndpoint, id_: int | str | None) -> str:
    return endpoint.path.format(id=quote(str(id_), safe=""))


def _outcome(endpoint: RestEndpoint, call: str, raw: _HttpAnswer) -> Any:
    """The `msg`, or the error that the status is."""
    try:
        answer = msgspec.json.decode(raw.content, type=_RestAnswer)
        code = int(answer.status)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        if raw.status == _UNAUTHORIZED:  # in HTTP's words instead of the API's
            raise refusal(call, _TOKEN_REFUSED, "", rest_status("2.1", _TOKEN_REFUSED)) from error
        raise _lost(
            endpoint, f"{call}: HTTP {raw.status} with no answer of this API in it: {raw}{_hint(raw)}"
        ) from error
    desc = (answer.desc or "")[:_SHOWN]
    if is_server_error(code):
        raise _lost(endpoint, f"{call}: {code} {desc}")
    if code in endpoint.success:
        return answer.msg
    raise refusal(call, code, desc, rest_status(endpoint.section, code), _err(answer))


def _image(endpoint: RestEndpoint, call: str, raw: _HttpAnswer) -> bytes:
    if raw.status == 200 and raw.content_type.startswith("image/"):
        return raw.content
    _outcome(endpoint, call, raw)
    raise CloudUnavailableError(f"{call}: {raw.content_type} instead of an image")


def _err(answer: _RestAnswer) -> str:
    """The reason that goes with a status, where there is one: beside it, or in `msg`."""
    err = answer.err if answer.err is not None else answer.msg.get("err") if isinstance(answer.msg, dict) else None
    return "" if err is None else str(err)[:_SHOWN]


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise CloudUnavailableError(f"{response.method} {response.url.path}: an answer of over {MAX_ANSWER} bytes")
    return bytes(content)


def _lost(endpoint: RestEndpoint, what: str) -> CloudUnavailableError:
    return CloudUnavailableError(what) if endpoint.is_repeatable else UncertainError(what)


def _hint(raw: _HttpAnswer) -> str:
    """What a person can do about it."""
    is_elsewhere = raw.status == _NOT_FOUND or 300 <= raw.status < 400
    return "; is `[cloud] base_url` right?" if is_elsewhere else ""


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
