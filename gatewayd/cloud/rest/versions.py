"""§2.12: which software can be had, and the files themselves."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.errors import CloudUnavailableError
from gatewayd.cloud.rest.rows import ApiRow, Id
from gatewayd.model.errors import CloudError

_CHUNK: Final = 1 << 16
_UNAUTHORIZED: Final = 401


class Version(ApiRow, frozen=True, kw_only=True):
    """`device_type`: 1 gateway, 2 gateway (USB), 3 Zigbee device, 4 Zigbee coordinator, 5 Android, 6 iOS.

    `filename` is the file's address, `checksum` in hex: what kind, its length says.
    """

    version: str
    filename: str
    checksum: str
    device_type: int
    id: Id | None = None
    create_time: str | None = None
    description: str | None = None


class Download:
    """A file on its way: `start` is the byte that it really begins with, `total` its whole length if the host says."""

    def __init__(self, response: aiohttp.ClientResponse, start: int, total: int | None, at_most: int) -> None:
        self._response = response
        self.start = start
        self.total = total
        self._at_most = at_most

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes from `start` on. Raises CloudError where the file grows over the bound, CloudUnavailableError
        where the line breaks: what came until then is good.
        """
        size = self.start
        try:
            async for chunk in self._response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > self._at_most:
                    raise CloudError(f"GET {self._response.url}: a file of over {self._at_most} bytes")
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CloudUnavailableError(f"GET {self._response.url}: broken off at byte {size} ({error})") from error


class VersionsApi:
    """§2.12, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def latest(self, device_type: int) -> Version:
        """The newest for that device type. Raises RefusedByCloudError where there is none."""
        return await self._caller.row("versions.latest", Version, params={"device_type": str(device_type)})

    def list(self, *, device_type: int | None = None, version: str | None = None) -> AsyncIterator[Version]:
        """All that can be had."""
        return self._caller.rows("versions.list", Version, device_type=device_type, version=version)

    @asynccontextmanager
    async def download(self, address: str, *, start: int = 0, at_most: int) -> AsyncIterator[Download]:
        """A version's file from byte `start` on, of `at_most` bytes in all, while this is entered.

        A host that knows no ranges begins at 0 again: look at `Download.start`. The token goes to the cloud's own host
        alone; redirects are not followed. A
        token that is refused is renewed once. Raises CloudError, CloudUnavailableError (worth another try).
        """
        async with AsyncExitStack() as stack:
            response = await self._opened(stack, address, start)
            first, total = _span(response, start)
            if total is not None and total > at_most:
                raise CloudError(f"GET {response.url}: a file of {total} bytes, over {at_most}")
            yield Download(response, first, total, at_most)

    async def _opened(self, stack: AsyncExitStack, address: str, start: int) -> aiohttp.ClientResponse:
        """The answer, with another token where HTTP says that this one is not valid; files have no status of §2's."""
        token = await self._caller.token()
        response = await stack.enter_async_context(self._caller.transport.file(address, token=token, start=start))
        if response.status != _UNAUTHORIZED:
            return response
        await stack.aclose()
        await self._caller.renew(token)
        token = await self._caller.token()
        return await stack.enter_async_context(self._caller.transport.file(address, token=token, start=start))


def _span(response: aiohttp.ClientResponse, start: int) -> tuple[int, int | None]:
    """Where the answer begins in the file, and how long the file is."""
    match response.status:
        case 200:
            return 0, response.content_length
        case 206:
            unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
            span, _, total = rest.partition("/")
            first = span.partition("-")[0]
            if unit != "bytes" or first != str(start):
                raise CloudError(f"GET {response.url}: asked from byte {start}, answered {rest!r}")
            return start, int(total) if total.isdecimal() else None
        case 416:
            raise CloudError(f"GET {response.url}: the file has no byte {start}")
        case status if status >= 500:
            raise CloudUnavailableError(f"GET {response.url}: HTTP {status}")
        case status:
            raise CloudError(f"GET {response.url}: HTTP {status} instead of a file")
