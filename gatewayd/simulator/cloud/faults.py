"""What the cloud does wrong, on demand: for the next calls of a path, counted."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class _Fault:
    path: str
    times: int
    status: int = 0
    body: str = ""
    delay_s: float = 0.0
    cut_after: bool = False


@dataclass(slots=True)
class Faults:
    """Each fault meets the next `times` calls whose path begins with `path`."""

    _faults: list[_Fault] = field(default_factory=list)

    def fail(self, path: str = "/", *, status: int = 500, times: int = 1) -> None:
        """Answer with an HTTP error and a page of HTML."""
        self._faults.append(_Fault(path, times, status=status, body="<html><body>Server Error</body></html>"))

    def answer(self, path: str, body: str, *, times: int = 1) -> None:
        """Answer 200 with any text."""
        self._faults.append(_Fault(path, times, status=200, body=body))

    def hang(self, path: str = "/", *, seconds: float = 3600, times: int = 1) -> None:
        """Answer late, or never."""
        self._faults.append(_Fault(path, times, delay_s=seconds))

    def cut_after(self, path: str = "/", *, times: int = 1) -> None:
        """Carry the call out, and cut the line instead of answering."""
        self._faults.append(_Fault(path, times, cut_after=True))

    def clear(self) -> None:
        """No more faults."""
        self._faults.clear()

    async def meet(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """A middleware: what happens to `request`."""
        fault = next((one for one in self._faults if request.path.startswith(one.path)), None)
        if fault is None:
            return await self._handled(request, handler)
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)
        if fault.status:
            return web.Response(status=fault.status, text=fault.body, content_type="text/html")
        await asyncio.sleep(fault.delay_s)
        response = await self._handled(request, handler)
        if fault.cut_after and request.transport is not None:
            request.transport.abort()
        return response

    async def _handled(self, request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        return response
