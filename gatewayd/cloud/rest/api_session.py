"""Calls of endpoints by name: with the token and its renewal, page by page, decoded with errors that name the place.

The classes of the sections call through an `ApiSession`; HTTP and its retries are `transport`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gatewayd.cloud.rest.endpoints import ENDPOINTS, ParamsIn, RestEndpoint
from gatewayd.cloud.rest.errors import (
    CloudUnavailableError,
    LoginRefusedError,
    RefusedByCloudError,
    UncertainError,
    UnreadableAnswerError,
)
from gatewayd.cloud.rest.objects import ObjectT, T, convert, decode_object, params_of
from gatewayd.cloud.rest.transport import Transport

PAGE_SIZE: Final = 50
"""Rows per page (`limit`); the API's default is 10."""


class _Page(msgspec.Struct):
    """`msg.page` of a list (分页说明)."""

    total_page: Annotated[int, Meta(le=10_000)] = 1
    total_pieces: int = 0
    current_page: int | None = None


class ApiSession:
    """Calls endpoints as one account. `log_in` returns a new token; it is called where there is none yet, and where the
    cloud refuses the one in use.
    """

    def __init__(self, transport: Transport, log_in: Callable[[], Awaitable[str]]) -> None:
        self.transport = transport
        self._log_in = log_in
        self._token: str | None = None
        self._renewal = asyncio.Lock()

    async def call(
        self, name: str, *, id_: int | str | None = None, params: Mapping[str, Any] | None = None, data: Any = None
    ) -> Any:
        """The `msg` of a successful answer of the endpoint `name`. Raises CloudError.

        `params` are sent where the endpoint has its parameters; `data`, where given, as `{"data": data}`.
        """
        endpoint = ENDPOINTS[name]
        query, body = _query_and_body(endpoint, params, data)

        async def send(token: str | None) -> Any:
            return await self.transport.call(endpoint, id_=id_, token=token, query=query, body=body)

        return await self.call_with_token(send) if endpoint.needs_token else await send(None)

    async def call_with_token(self, send: Callable[[str | None], Awaitable[T]]) -> T:
        """The result of `send` with the token; with one new token where the cloud refuses the first.

        Raises LoginRefusedError where there is no token, or the cloud refuses the new one too.
        """
        used = await self.token()
        try:
            return await send(used)
        except RefusedByCloudError as error:
            if not error.is_token_refused:
                raise
        await self.renew_token(used)
        try:
            return await send(self._token)
        except RefusedByCloudError as error:
            if not error.is_token_refused:
                raise
            raise LoginRefusedError(f"{error} (a token that it gave just now)") from error

    async def token(self) -> str | None:
        """The token in use; logs in first where there is none."""
        if self._token is None:
            await self.renew_token(None)
        return self._token

    async def renew_token(self, refused: str | None) -> None:
        """Log in where `refused` is still the token in use: many calls that are refused at once cause one login."""
        async with self._renewal:
            if self._token is None or self._token == refused:
                self._token = await self._log_in()

    async def log_in(self) -> None:
        """Replace the token by a new one."""
        await self.renew_token(self._token)

    async def call_decoded(self, name: str, decode: Callable[[Any, str], T], **call: Any) -> T:
        """`decode(msg, place)` of a successful answer.

        A success that cannot be decoded is a success all the same: after a POST it raises UncertainError.
        """
        msg = await self.call(name, **call)
        try:
            return decode(msg, f"{call_name(name)} msg")
        except UnreadableAnswerError as error:
            if ENDPOINTS[name].is_repeatable:
                raise
            raise UncertainError(str(error)) from error

    async def call_for_data(self, name: str, kind: type[T], **call: Any) -> T:
        """`msg.data` as `kind`."""
        return await self.call_decoded(
            name, lambda msg, place: convert(data_of(msg, place), kind, f"{place}.data"), **call
        )

    async def call_for_object(self, name: str, kind: type[ObjectT], **call: Any) -> ObjectT:
        """`msg.data` as an object."""
        return await self.call_decoded(
            name, lambda msg, place: decode_object(data_of(msg, place), kind, f"{place}.data"), **call
        )

    async def call_for_bare_object(self, name: str, kind: type[ObjectT], **call: Any) -> ObjectT:
        """`msg` itself as an object: §1 and §3.2 have no `data`."""
        return await self.call_decoded(name, lambda msg, place: decode_object(msg, kind, place), **call)

    async def send_object(self, name: str, object_: ObjectT, *, id_: int | None = None) -> ObjectT:
        """Send `object_` to an endpoint that answers with the object as it is stored now."""
        return await self.call_for_object(name, type(object_), id_=id_, params=params_of(ENDPOINTS[name], object_))

    async def list_objects(self, name: str, kind: type[ObjectT], **filters: object) -> AsyncIterator[ObjectT]:
        """Every object that matches `filters`; a filter that is None is not sent."""
        async for place, value in self.list_json(name, **filters):
            yield decode_object(value, kind, place)

    async def list_json(self, name: str, **filters: object) -> AsyncIterator[tuple[str, Any]]:
        """The place and JSON of every object that matches `filters`; one page is in memory at a time.

        Rows that are added meanwhile may be listed twice. Raises CloudUnavailableError where rows are missing: some
        were deleted meanwhile, so that others moved to a page that was read before, or fewer came than the cloud has.
        """
        query = {key: str(value) for key, value in filters.items() if value is not None}
        page, pages, total, received = 1, 1, 0, 0
        while page <= pages:
            msg = await self.call(name, params={**query, "page": str(page), "limit": str(PAGE_SIZE)})
            data = data_of(msg, f"{call_name(name)} msg")
            rows = data if isinstance(data, list) else [data]
            info = convert(msg.get("page") or {}, _Page, f"{call_name(name)} msg.page")
            if info.total_pieces < total:
                raise CloudUnavailableError(
                    f"{call_name(name)}: {total - info.total_pieces} rows were deleted while the list was read"
                )
            if info.current_page not in (None, page):
                raise CloudUnavailableError(f"{call_name(name)}: page {info.current_page} came instead of page {page}")
            for number, row in enumerate(rows):
                yield f"{call_name(name)} page {page} msg.data[{number}]", row
            page, pages, total, received = page + 1, info.total_page, info.total_pieces, received + len(rows)
            if not rows:
                break
        if received < total:
            raise CloudUnavailableError(f"{call_name(name)}: {received} rows came of {total}")


def call_name(name: str) -> str:
    """How errors name a call of the endpoint `name`: method and path."""
    endpoint = ENDPOINTS[name]
    return f"{endpoint.method} {endpoint.path}"


def data_of(msg: Any, place: str) -> Any:
    """`msg.data`. Raises UnreadableAnswerError where there is none."""
    if not isinstance(msg, dict) or "data" not in msg:
        raise UnreadableAnswerError(f"{place}.data is missing")
    return msg["data"]


def _query_and_body(
    endpoint: RestEndpoint, params: Mapping[str, Any] | None, data: Any
) -> tuple[Mapping[str, str] | None, Any]:
    """The query and the body of a call with `params` or `data`."""
    match endpoint.params_in:
        case ParamsIn.QUERY:
            return params, None
        case ParamsIn.BODY:
            return None, params if params is not None else {}
        case ParamsIn.DATA:
            return None, {"data": data if data is not None else params or {}}
        case _:
            return None, None
