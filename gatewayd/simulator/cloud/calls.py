"""A call of an endpoint and its reply, without HTTP, so that a batch (§2.5) can make calls as well.

Each section's module has the functions that take a call and return a reply; `server` has HTTP.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, NamedTuple, TypeVar

from gatewayd.simulator.cloud.database import Row, RowPage
from gatewayd.simulator.cloud.state import CloudState

T = TypeVar("T")

BAD_PARAMETERS: Final = 400003
FORBIDDEN: Final = 400042
NO_DEVICE: Final = 400065

_DEFAULT_LIMIT: Final = 10
_MAX_LIMIT: Final = 1000
_MAX_INTEGER: Final = 2**40  # SQLite's integers have 64 bits, and products of two of these fit


class StatusError(Exception):
    """The call is refused with this status; `err` is the reason, as in the example of §2.5."""

    def __init__(self, code: int, err: str | None = None) -> None:
        super().__init__(code, err)
        self.code = code
        self.err = err


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A status and the `msg`; or a file, with `is_file` set: None where it does not exist."""

    code: int
    msg: Any = field(default_factory=dict)
    is_file: bool = False
    file: bytes | None = None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A call: `body` is the decoded JSON, `id` the variable part of the path. Its properties raise StatusError."""

    state: CloudState
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    id: str = ""
    token: str = ""
    in_batch: bool = False

    @property
    def path_number(self) -> int:
        """The id in the path."""
        return min(int(self.id), _MAX_INTEGER)

    @property
    def account(self) -> Row:
        """The token's account; the server has checked that there is one."""
        account = self.state.account_by_token(self.token)
        assert account is not None
        return account

    @property
    def fields(self) -> dict[str, Any]:
        """The body, which must be an object."""
        if not isinstance(self.body, dict):
            raise StatusError(BAD_PARAMETERS, "the body is no object")
        return self.body

    @property
    def data(self) -> dict[str, Any]:
        """The body's `data`; in a batch it may be the body itself."""
        data = self.fields if self.in_batch and "data" not in self.fields else self.fields.get("data")
        if not isinstance(data, dict):
            raise StatusError(BAD_PARAMETERS, "param 'data' is no object")
        return data

    def query_number(self, name: str) -> int | None:
        """A number in the query; None where it is missing."""
        if name not in self.query:
            return None
        if not self.query[name].isdecimal():
            raise StatusError(BAD_PARAMETERS, f"param '{name}' is no number")
        return min(int(self.query[name]), _MAX_INTEGER)

    def page(self, query: str, *values: Any, to_wire: Callable[[Row], Row]) -> dict[str, Any]:
        """The page of an SQL query's rows that `limit` and `page` ask for; default: the first ten (分页说明)."""
        limit = min(max(1, self.query_number("limit") or _DEFAULT_LIMIT), _MAX_LIMIT)
        number = max(1, self.query_number("page") or 1)
        found = self.state.db.page(query, values, limit, number)
        return _page_reply([to_wire(row) for row in found.rows], number, limit, found)


def required(data: Mapping[str, Any], name: str, type_: type[T]) -> T:
    """A parameter that must be there and of that type. Raises StatusError."""
    if data.get(name) is None:
        raise StatusError(BAD_PARAMETERS, f"param '{name}' is needed")
    return _checked(data, name, type_)


def optional(data: Mapping[str, Any], name: str, type_: type[T]) -> T | None:
    """A parameter of that type, or None where it is missing or null. Raises StatusError."""
    return None if data.get(name) is None else _checked(data, name, type_)


def single_page(data: Any, pieces: int = 1) -> dict[str, Any]:
    """One thing with a page around it, as in §2.3, §2.4, §2.6 and §2.7."""
    page = {"total_page": 1, "current_page": 1, "page_pieces": pieces, "total_pieces": 1}
    return {"page": page, "data": data}


def _checked(data: Mapping[str, Any], name: str, type_: type[T]) -> T:
    value = data[name]
    if not isinstance(value, type_) or (isinstance(value, bool) and type_ is not bool):  # a bool is an int in Python
        raise StatusError(BAD_PARAMETERS, f"param '{name}' is no {type_.__name__}")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise StatusError(BAD_PARAMETERS, f"param '{name}' is too large")
    return value


def _page_reply(rows: list[Row], number: int, limit: int, found: RowPage) -> dict[str, Any]:
    """As in the API's examples: `page_pieces` is the limit, not the number of rows on the page."""
    pages = max(1, ceil(found.total / limit))
    page = {"total_page": pages, "current_page": number, "page_pieces": limit, "total_pieces": found.total}
    return {"page": page, "data": rows}


RouteHandler = Callable[[HttpCall], HttpReply]


class HttpRoute(NamedTuple):
    """One row of a section's table; the path is the client's (a test compares them)."""

    section: str
    method: str
    path: str
    handler: RouteHandler
    has_token: bool = True
