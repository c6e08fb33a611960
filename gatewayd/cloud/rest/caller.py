"""What every section's class calls through: the token and its one renewal, paging, answers decoded with their place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gatewayd.cloud.rest.endpoints import ENDPOINTS, In, RestEndpoint
from gatewayd.cloud.rest.errors import (
    CloudUnavailableError,
    LoginRefusedError,
    RefusedByCloudError,
    UncertainError,
    UnreadableAnswerError,
)
from gatewayd.cloud.rest.rows import R, T, convert, params_of, read_row
from gatewayd.cloud.rest.transport import Transport

PAGE: Final = 50
"""Rows asked for at once; the cloud's own choice would be 10."""


class _Page(msgspec.Struct):
    total_page: Annotated[int, Meta(le=10_000)] = 1
    total_pieces: int = 0
    current_page: int | None = None


class Caller:
    """Calls endpoints by name. `log_in` is what gets a new token when there is none or the cloud refuses it."""

    def __init__(self, transport: Transport, log_in: Callable[[], Awaitable[str]]) -> None:
        self.transport = transport
        self._log_in = log_in
        self._token: str | None = None
        self._renewing = asyncio.Lock()

    async def msg(
        self, name: str, *, id_: int | str | None = None, params: Mapping[str, Any] | None = None, data: Any = None
    ) -> Any:
        """The `msg` of a success. `params` go where the endpoint's stand; `data` goes out as `{"data": data}`."""
        endpoint = ENDPOINTS[name]
        query, body = _placed(endpoint, params, data)

        async def once(token: str | None) -> Any:
            return await self.transport.call(endpoint, id_=id_, token=token, query=query, body=body)

        return await self.with_token(once) if endpoint.has_token else await once(None)

    async def with_token(self, once: Callable[[str | None], Awaitable[T]]) -> T:
        """`once` with the token; with another one if the cloud refuses this, and no third.

        Raises NotLetInError where there is no token, or none that the cloud takes.
        """
        used = await self.token()
        try:
            return await once(used)
        except RefusedByCloudError as error:
            if not error.is_token:
                raise
        await self.renew(used)
        try:
            return await once(self._token)
        except RefusedByCloudError as error:
            if not error.is_token:
                raise
            raise LoginRefusedError(f"{error} (a token that it gave just now)") from error

    async def token(self) -> str | None:
        """The token that there is, got first where there is none."""
        if self._token is None:
            await self.renew(None)
        return self._token

    async def renew(self, refused: str | None) -> None:
        """Another token than `refused`; one login even where many calls were refused at once."""
        async with self._renewing:
            if self._token is None or self._token == refused:
                self._token = await self._log_in()

    async def log_in(self) -> None:
        """A new token, whatever there is."""
        await self.renew(self._token)

    async def read(self, name: str, reader: Callable[[Any, str], T], **call: Any) -> T:
        """The `msg` of a success as `reader` reads it; the reader is told the place.

        A success that cannot be read is one all the same: after a POST it is an UncertainError.
        """
        msg = await self.msg(name, **call)
        try:
            return reader(msg, f"{place(name)} msg")
        except UnreadableAnswerError as error:
            if ENDPOINTS[name].is_repeatable:
                raise
            raise UncertainError(str(error)) from error

    async def data(self, name: str, kind: type[T], **call: Any) -> T:
        """`msg.data` as `kind`."""
        return await self.read(name, lambda msg, where: convert(data_of(msg, where), kind, f"{where}.data"), **call)

    async def row(self, name: str, kind: type[R], **call: Any) -> R:
        """`msg.data` as one row."""
        return await self.read(name, lambda msg, where: read_row(data_of(msg, where), kind, f"{where}.data"), **call)

    async def bare(self, name: str, kind: type[R], **call: Any) -> R:
        """`msg` itself as one row, as §1 and §3.2 have it."""
        return await self.read(name, lambda msg, where: read_row(msg, kind, where), **call)

    async def say(self, name: str, row: R, *, id_: int | None = None) -> R:
        """Say `row` to an endpoint that answers with the row as it is now."""
        return await self.row(name, type(row), id_=id_, params=params_of(ENDPOINTS[name], row))

    async def rows(self, name: str, kind: type[R], **filters: object) -> AsyncIterator[R]:
        """Every row that the filters let through; those that are None say nothing."""
        async for where, wire in self.pages(name, **filters):
            yield read_row(wire, kind, where)

    async def pages(self, name: str, **filters: object) -> AsyncIterator[tuple[str, Any]]:
        """Every row as it came, with its place; one page is held at a time.

        Rows that come in meanwhile may be seen twice. Raises CloudUnavailableError where what was seen is not all: rows
        went away meanwhile, so that others have moved to pages that were read already, or not all came that there are.
        """
        said = {key: str(value) for key, value in filters.items() if value is not None}
        page, pages, total, seen = 1, 1, 0, 0
        while page <= pages:
            msg = await self.msg(name, params={**said, "page": str(page), "limit": str(PAGE)})
            data = data_of(msg, f"{place(name)} msg")
            wires = data if isinstance(data, list) else [data]
            told = convert(msg.get("page") or {}, _Page, f"{place(name)} msg.page")
            if told.total_pieces < total:
                raise CloudUnavailableError(f"{place(name)}: {total - told.total_pieces} rows went away meanwhile")
            if told.current_page not in (None, page):
                raise CloudUnavailableError(f"{place(name)}: page {told.current_page} came instead of page {page}")
            for number, wire in enumerate(wires):
                yield f"{place(name)} page {page} msg.data[{number}]", wire
            page, pages, total, seen = page + 1, told.total_page, told.total_pieces, seen + len(wires)
            if not wires:
                break
        if seen < total:
            raise CloudUnavailableError(f"{place(name)}: {seen} rows came of {total}")


def place(name: str) -> str:
    """A call as errors name it."""
    endpoint = ENDPOINTS[name]
    return f"{endpoint.method} {endpoint.path}"


def data_of(msg: Any, where: str) -> Any:
    """`msg.data`. Raises UnreadableAnswerError."""
    if not isinstance(msg, dict) or "data" not in msg:
        raise UnreadableAnswerError(f"{where}.data is missing")
    return msg["data"]


def _placed(
    endpoint: RestEndpoint, params: Mapping[str, Any] | None, data: Any
) -> tuple[Mapping[str, str] | None, Any]:
    """The query and the body that `params` or `data` make."""
    match endpoint.says:
        case In.QUERY:
            return params, None
        case In.BODY:
            return None, params if params is not None else {}
        case In.DATA:
            return None, {"data": data if data is not None else params or {}}
        case _:
            return None, None
