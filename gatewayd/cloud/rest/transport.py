"""HTTP with the cloud: one session, bounded answers, retries where a second call does no harm, no redirects, and no
calls while the cloud asks for a pause (429 or 503 with Retry-After).

The outcome of a call is its answer's `status`, not its HTTP code (§1 to §3). `api_session` has the token; the modules
of the sections decode the content of `msg`.
"""

import asyncio
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.rest.endpoints import RestEndpoint
from gatewayd.cloud.rest.errors import CloudUnavailableError, UncertainError, refusal
from gatewayd.cloud.rest.retry_after import requested_pause_s
from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import TOKEN_INVALID, is_server_error, rest_status

T = TypeVar("T")

MAX_ANSWER_BYTES: Final = 4 << 20
"""A longer answer is refused."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_FILE_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=30)
_MAX_ATTEMPTS: Final = 3
_BACKOFF: Final = Backoff(first_s=0.5, longest_s=1.0)
LONGEST_PAUSE_S: Final = 900.0
"""The longest pause that the cloud can ask for: as long as between two syncs."""
_LONGEST_WAIT_S: Final = 5.0
"""A call waits for so much of a pause; in a longer one it fails at once, and its caller tries later."""
_PAUSE_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_MAX_QUOTED: Final = 200  # characters of the cloud's own words in an error


class _RestAnswer(msgspec.Struct):
    """What every answer of the API has."""

    status: int | str
    msg: Any = None
    desc: str | None = None
    err: Any = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of HTTP, not decoded yet."""

    status: int
    content_type: str
    content: bytes

    def __str__(self) -> str:
        """The beginning of a web page; of anything else only its size, since half an answer may hold a token."""
        is_page = self.content.lstrip()[:1] == b"<"
        return repr(self.content[:60].decode("utf-8", "replace")) if is_page else f"{len(self.content)} bytes"


class Transport:
    """Sends calls over HTTP. Use it as an async context manager. `backoff` sets the pauses between attempts."""

    def __init__(
        self,
        base_url: str,
        *,
        tls: ssl.SSLContext | None = None,
        chance: random.Random,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._tls = tls
        self._chance = chance
        self._timeout = timeout
        self._backoff = backoff
        self._session: aiohttp.ClientSession | None = None
        self._paused_until = 0.0  # by the loop's clock

    async def __aenter__(self) -> "Transport":
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=4)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def url(self, endpoint: RestEndpoint, id_: int | str | None = None) -> str:
        """The address of an endpoint, or of the object `id_` there."""
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
        """The `msg` of a successful answer.

        Raises RefusedByCloudError for any other status, documented or not; CloudUnavailableError where no attempt
        brought an answer; UncertainError where the cloud may have executed a POST all the same.
        """
        return await self._call_with_retries(endpoint, id_, token, query, body, decode_msg)

    async def fetch_image(self, endpoint: RestEndpoint, *, id_: int, token: str | None) -> bytes:
        """The image with which an endpoint answers instead of JSON (§1.10). Raises as `call` does."""
        return await self._call_with_retries(endpoint, id_, token, None, None, _decode_image)

    async def _call_with_retries(
        self,
        endpoint: RestEndpoint,
        id_: int | str | None,
        token: str | None,
        query: Mapping[str, str] | None,
        body: Any,
        decode: Callable[[RestEndpoint, str, HttpAnswer], T],
    ) -> T:
        retries = Retries(self._backoff, self._chance)
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                answer = await self._request(endpoint, id_, token, query, body)
                return decode(endpoint, f"{endpoint.method} {_path(endpoint, id_)}", answer)
            except UncertainError:
                raise
            except CloudUnavailableError:
                if attempt == _MAX_ATTEMPTS:
                    raise
            await asyncio.sleep(retries.next_pause_s())
        raise AssertionError("unreachable")

    async def _request(
        self,
        endpoint: RestEndpoint,
        id_: int | str | None,
        token: str | None,
        query: Mapping[str, str] | None,
        body: Any,
    ) -> HttpAnswer:
        """Send one request and read its answer. Raises CloudUnavailableError, UncertainError."""
        call = f"{endpoint.method} {_path(endpoint, id_)}"
        assert self._session is not None
        if self._session.closed:  # while the daemon stops, other parts may call once more
            raise CloudUnavailableError(f"{call}: the connection to the cloud is closed")
        await self._wait_for_pause(call)
        headers = {"Authorization": f"Token {token}"} if token is not None else {}
        if endpoint.must_be_fresh:
            query = {**(query or {}), "_": secrets.token_hex(8)}  # some caches do not heed Cache-Control
        try:
            async with self._session.request(
                endpoint.method,
                self.url(endpoint, id_),
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers | {"Content-Type": "application/json", "Cache-Control": "no-cache"},
                allow_redirects=False,  # the token is sent to the cloud's own host only
            ) as response:
                self._note_pause(response)
                answer = HttpAnswer(response.status, response.content_type, await _read_bounded(response))
        except aiohttp.ClientConnectorError as error:
            raise CloudUnavailableError(f"{call}: cannot connect ({_reason(error)})") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: no HTTP, or no charset
            raise _no_answer(endpoint, f"{call}: no answer ({_reason(error)})") from error
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise CloudUnavailableError(f"{call}: HTTP 429, too many requests; it was not carried out")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _no_answer(endpoint, f"{call}: HTTP {answer.status}")
        if _is_redirect(answer):
            raise CloudUnavailableError(
                f"{call}: HTTP {answer.status}, a redirect; it is not followed{_base_url_hint(answer)}"
            )
        return answer

    async def _wait_for_pause(self, call: str) -> None:
        """Wait for the end of a short pause. Raises CloudUnavailableError during a long one."""
        clock = asyncio.get_running_loop().time
        while (left_s := self._paused_until - clock()) > 0:
            if left_s > _LONGEST_WAIT_S:
                raise CloudUnavailableError(f"{call}: the cloud asks for a pause, of {left_s:.0f} s more")
            await asyncio.sleep(left_s)

    def _note_pause(self, response: aiohttp.ClientResponse) -> None:
        """Take note of the pause for which the cloud asks; it is for all calls."""
        if response.status in _PAUSE_STATUSES:
            pause_s = requested_pause_s(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
            if pause_s is not None:
                ends_at = asyncio.get_running_loop().time() + min(pause_s, LONGEST_PAUSE_S)
                self._paused_until = max(self._paused_until, ends_at)

    @asynccontextmanager
    async def open_file(self, address: str, *, token: str | None, start: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response for a file of the cloud, from byte `start` on; `address` may be relative to the base URL.

        The token is sent to the cloud's own host only. Raises CloudError where the address cannot be used,
        CloudUnavailableError where there is no response.
        """
        base = URL(self._base_url)
        try:
            url = base.join(URL(address))
            is_own_host = url.origin() == base.origin()
        except ValueError as error:
            raise CloudError(f"GET {address}: no address of a file ({error})") from error
        if url.scheme not in {"https", base.scheme}:
            raise CloudError(f"GET {url}: not over TLS, as the cloud is")
        headers = {"Range": f"bytes={start}-"} if start else {}
        if token is not None and is_own_host:
            headers["Authorization"] = f"Token {token}"
        headers["Accept-Encoding"] = "identity"  # a range counts the file's own bytes
        assert self._session is not None
        try:
            response = await self._session.get(url, headers=headers, allow_redirects=False, timeout=_FILE_TIMEOUT)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise CloudUnavailableError(f"GET {url}: {_reason(error)}") from error
        async with response:
            yield response


def _path(endpoint: RestEndpoint, id_: int | str | None) -> str:
    return endpoint.path.format(id=quote(str(id_), safe=""))


def decode_msg(endpoint: RestEndpoint, call: str, raw: HttpAnswer) -> Any:
    """The `msg` of a success. Raises the CloudError of any other status, and of an answer that is none of this API."""
    try:
        answer = msgspec.json.decode(raw.content, type=_RestAnswer)
        code = int(answer.status)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if raw.status == HTTPStatus.UNAUTHORIZED:  # HTTP's way to refuse a token, instead of the API's
            raise refusal(call, TOKEN_INVALID, "", rest_status("2.1", TOKEN_INVALID)) from error
        raise _no_answer(
            endpoint, f"{call}: HTTP {raw.status} with no answer of this API in it: {raw}{_base_url_hint(raw)}"
        ) from error
    desc = (answer.desc or "")[:_MAX_QUOTED]
    if is_server_error(code):
        raise _no_answer(endpoint, f"{call}: {code} {desc}")
    if code in endpoint.success:
        return answer.msg
    raise refusal(call, code, desc, rest_status(endpoint.section, code), _err(answer))


def _decode_image(endpoint: RestEndpoint, call: str, raw: HttpAnswer) -> bytes:
    if raw.status == HTTPStatus.OK and raw.content_type.startswith("image/"):
        return raw.content
    decode_msg(endpoint, call, raw)
    raise CloudUnavailableError(f"{call}: {raw.content_type} instead of an image")


def _err(answer: _RestAnswer) -> str:
    """The `err` of an answer, beside its status or in its `msg`; "" where there is none."""
    err = answer.err if answer.err is not None else answer.msg.get("err") if isinstance(answer.msg, dict) else None
    return "" if err is None else str(err)[:_MAX_QUOTED]


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise CloudUnavailableError(
                f"{response.method} {response.url.path}: an answer of over {MAX_ANSWER_BYTES} bytes"
            )
    return bytes(content)


def _no_answer(endpoint: RestEndpoint, message: str) -> CloudUnavailableError:
    """The error of a call that was sent and not answered."""
    return CloudUnavailableError(message) if endpoint.is_repeatable else UncertainError(message)


def _is_redirect(answer: HttpAnswer) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST


def _base_url_hint(answer: HttpAnswer) -> str:
    """What the user can check where HTTP says that the API is not at this address."""
    is_elsewhere = answer.status == HTTPStatus.NOT_FOUND or _is_redirect(answer)
    return "; is `[cloud] base_url` right?" if is_elsewhere else ""


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
