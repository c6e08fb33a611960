"""Faults of the cloud on demand: each applies to the next calls whose path begins with `path`, so many times."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_ERROR_PAGE: Final = "<html><body>Server Error</body></html>"


@dataclass(slots=True)
class _CloudFault:
    path: str
    times: int
    status: int = 0
    body: str = ""
    content_type: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_after: bool = False
    cut_at: int | None = None


@dataclass(slots=True)
class CloudFaults:
    """The faults that are set, in the order in which they were set; the first that fits a call applies."""

    _faults: list[_CloudFault] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    """How often one was applied, by the path that it was set for."""

    def fail(
        self, path: str = "/", *, status: int = 500, times: int = 1, headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        """Answer with an HTTP error and a page of HTML."""
        self._faults.append(_CloudFault(path, times, status=status, body=_ERROR_PAGE, headers=headers))

    def answer(self, path: str, body: str, *, seconds: float = 0, times: int = 1) -> None:
        """Answer 200 with this text, after so many seconds."""
        self._faults.append(_CloudFault(path, times, status=200, body=body, delay_s=seconds))

    def redirect(self, path: str, location: str, *, times: int = 1) -> None:
        """Answer 302 with this location."""
        self._faults.append(_CloudFault(path, times, status=302, headers={"Location": location}))

    def hang(self, path: str = "/", *, seconds: float = 3600, times: int = 1) -> None:
        """Execute the call and answer only after so many seconds."""
        self._faults.append(_CloudFault(path, times, delay_s=seconds))

    def cut_after(self, path: str = "/", *, times: int = 1) -> None:
        """Execute the call, and cut the connection instead of answering."""
        self._faults.append(_CloudFault(path, times, cut_after=True))

    def cut_within(self, path: str = "/", *, at: int = 20, times: int = 1) -> None:
        """Execute the call, and cut the connection after `at` bytes of the answer's body."""
        self._faults.append(_CloudFault(path, times, cut_at=at))

    def clear(self) -> None:
        """End all faults."""
        self._faults.clear()

    async def apply(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Answer `request` with the fault that applies to it, or by `handler`."""
        fault = next((fault for fault in self._faults if request.path.startswith(fault.path)), None)
        if fault is None:
            return await _handle(request, handler)
        fault.times -= 1
        self.applied[fault.path] += 1
        if fault.times <= 0:
            self._faults.remove(fault)
        await asyncio.sleep(fault.delay_s)
        if fault.status:
            return web.Response(
                status=fault.status, text=fault.body, content_type=fault.content_type, headers=fault.headers
            )
        response = await _handle(request, handler)
        if fault.cut_after and request.transport is not None:
            request.transport.abort()
        if fault.cut_at is not None:
            await _cut(request, response, fault.cut_at)
        return response


async def _handle(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    return response


async def _cut(request: web.Request, response: web.StreamResponse, at: int) -> None:
    """Send the headers with the full length and the first `at` bytes, then close the connection."""
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = len(response.body)
    await partial.prepare(request)
    await partial.write(response.body[:at])
    if request.transport is not None:
        request.transport.close()
