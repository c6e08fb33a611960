"""§2.12 version management: the software versions that the cloud offers, and the download of their files."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.errors import CloudUnavailableError
from gatewayd.cloud.rest.objects import ApiObject, Id
from gatewayd.model.errors import CloudError

_CHUNK_BYTES: Final = 1 << 16
_MAX_DIGITS: Final = 18  # of a file's size


class Version(ApiObject, frozen=True, kw_only=True):
    """`device_type`: 1 gateway, 2 gateway (USB), 3 Zigbee device, 4 Zigbee coordinator, 5 Android, 6 iOS.

    `filename` is the file's address; `checksum` is hexadecimal, and its length tells the algorithm.
    """

    version: str
    filename: str
    checksum: str
    device_type: int
    id: Id | None = None
    create_time: str | None = None
    description: str | None = None


class Download:
    """A file that is being downloaded: `start` is the byte that it really begins with, `total` the whole file's size in
    bytes where the host tells it.
    """

    def __init__(self, response: aiohttp.ClientResponse, start: int, total: int | None, max_bytes: int) -> None:
        self._response = response
        self.start = start
        self.total = total
        self._max_bytes = max_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes from `start` on.

        Raises CloudError where the file grows over the bound, CloudUnavailableError where the connection breaks: the
        bytes received until then are good.
        """
        size = self.start
        try:
            async for chunk in self._response.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                if size > self._max_bytes:
                    raise CloudError(f"GET {self._response.url}: a file of over {self._max_bytes} bytes")
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CloudUnavailableError(f"GET {self._response.url}: broken off at byte {size} ({error})") from error


class VersionsApi:
    """§2.12."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def latest(self, device_type: int) -> Version:
        """The newest version for that device type. Raises RefusedByCloudError where there is none."""
        return await self._session.call_for_object("versions.latest", Version, params={"device_type": str(device_type)})

    def list(self, *, device_type: int | None = None, version: str | None = None) -> AsyncIterator[Version]:
        """All versions."""
        return self._session.list_objects("versions.list", Version, device_type=device_type, version=version)

    @asynccontextmanager
    async def download(self, address: str, *, start: int = 0, max_bytes: int) -> AsyncIterator[Download]:
        """A version's file from byte `start` on; the whole file may have `max_bytes`.

        A host that does not support ranges begins at 0: see `Download.start`. The token is sent to the cloud's own host
        only, and renewed once where it is refused; redirects are not followed. Raises CloudError, and
        CloudUnavailableError where the download is worth another attempt.
        """
        async with AsyncExitStack() as stack:
            response = await self._open(stack, address, start)
            first, total = _content_range(response, start)
            if total is not None and total > max_bytes:
                raise CloudError(f"GET {response.url}: a file of {total} bytes, over {max_bytes}")
            yield Download(response, first, total, max_bytes)

    async def _open(self, stack: AsyncExitStack, address: str, start: int) -> aiohttp.ClientResponse:
        """The response, with a new token where HTTP refuses the token: files have no `status` of §2."""
        transport, token = self._session.transport, await self._session.token()
        response = await stack.enter_async_context(transport.open_file(address, token=token, start=start))
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        await stack.aclose()
        await self._session.renew_token(token)
        token = await self._session.token()
        return await stack.enter_async_context(transport.open_file(address, token=token, start=start))


def _content_range(response: aiohttp.ClientResponse, start: int) -> tuple[int, int | None]:
    """The byte at which the response begins in the file, and the file's size where the host tells it.

    Raises CloudError where the response is not the file from `start` on, or the whole file.
    """
    match response.status:
        case HTTPStatus.OK:
            return 0, response.content_length
        case HTTPStatus.PARTIAL_CONTENT:
            unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
            span, _, total = rest.partition("/")
            first = span.partition("-")[0]
            if unit != "bytes" or first != str(start):
                raise CloudError(f"GET {response.url}: asked from byte {start}, answered {rest!r}")
            return start, int(total) if total.isdecimal() and len(total) <= _MAX_DIGITS else None
        case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise CloudError(f"GET {response.url}: the file has no byte {start}")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CloudUnavailableError(f"GET {response.url}: HTTP {status}")
        case status:
            raise CloudError(f"GET {response.url}: HTTP {status} instead of a file")
