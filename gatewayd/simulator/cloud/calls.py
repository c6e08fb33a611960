"""One call as a section sees it, and what it answers: nothing of HTTP, so that a batch (§2.5) can make calls too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, NamedTuple, TypeVar

from gatewayd.simulator.cloud.database import Row, Slice
from gatewayd.simulator.cloud.state import CloudState

T = TypeVar("T")

BAD_PARAMETERS: Final = 400003
FORBIDDEN: Final = 400042
NO_DEVICE: Final = 400065

_A_PAGE: Final = 10
_MOST: Final = 1000
_HIGHEST: Final = 2**40  # SQLite's integers have 64 bits, and so have products of these


class SaidError(Exception):
    """A status that is the whole answer, with the reason that §2.5's example calls `err`."""

    def __init__(self, code: int, err: str | None = None) -> None:
        super().__init__(code, err)
        self.code = code
        self.err = err


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A status and what goes with it: `msg` as it goes out, or a file instead of any JSON, which may be missing."""

    code: int
    msg: Any = field(default_factory=dict)
    is_file: bool = False
    file: bytes | None = None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class HttpCall:
    """What was asked: `body` is the JSON as it came, `id` what stood in the path."""

    state: CloudState
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    id: str = ""
    token: str = ""
    in_batch: bool = False

    @property
    def number(self) -> int:
        """The id in the path."""
        return min(int(self.id), _HIGHEST)

    @property
    def account(self) -> Row:
        """Whose token it is; the server has seen to it that there is somebody."""
        account = self.state.account_of(self.token)
        assert account is not None
        return account

    @property
    def whole(self) -> dict[str, Any]:
        """The body, which must be an object."""
        if not isinstance(self.body, dict):
            raise SaidError(BAD_PARAMETERS, "the body is no object")
        return self.body

    @property
    def data(self) -> dict[str, Any]:
        """The body's `data`; the body itself in a batch."""
        data = self.whole if self.in_batch and "data" not in self.whole else self.whole.get("data")
        if not isinstance(data, dict):
            raise SaidError(BAD_PARAMETERS, "param 'data' is no object")
        return data

    def filter_number(self, name: str) -> int | None:
        """A number in the query."""
        if name not in self.query:
            return None
        if not self.query[name].isdecimal():
            raise SaidError(BAD_PARAMETERS, f"param '{name}' is no number")
        return min(int(self.query[name]), _HIGHEST)

    def page_of(self, query: str, *values: Any, shown: Callable[[Row], Row]) -> dict[str, Any]:
        """The page that `limit` and `page` ask for; ten rows where they do not (分页说明)."""
        limit = min(max(1, self.filter_number("limit") or _A_PAGE), _MOST)
        number = max(1, self.filter_number("page") or 1)
        found = self.state.db.page(query, values, limit, number)
        return listed([shown(row) for row in found.rows], number, limit, found)


def need(data: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A parameter that must be there and of that type."""
    if data.get(name) is None:
        raise SaidError(BAD_PARAMETERS, f"param '{name}' is needed")
    return typed(data, name, kind)


def may(data: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """A parameter that may be missing or null."""
    return None if data.get(name) is None else typed(data, name, kind)


def typed(data: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A parameter that is there; true and false are no numbers."""
    value = data[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SaidError(BAD_PARAMETERS, f"param '{name}' is no {kind.__name__}")
    if isinstance(value, int) and abs(value) > _HIGHEST:
        raise SaidError(BAD_PARAMETERS, f"param '{name}' is too large")
    return value


def listed(rows: list[Row], number: int, limit: int, found: Slice) -> dict[str, Any]:
    """A page as the API shows it: `page_pieces` is the limit, not the rows that are left."""
    pages = max(1, ceil(found.total / limit))
    page = {"total_page": pages, "current_page": number, "page_pieces": limit, "total_pieces": found.total}
    return {"page": page, "data": rows}


def single(data: Any, pieces: int = 1) -> dict[str, Any]:
    """One thing with a page around it, as §2.3, §2.4, §2.6 and §2.7 show theirs."""
    page = {"total_page": 1, "current_page": 1, "page_pieces": pieces, "total_pieces": 1}
    return {"page": page, "data": data}


Handler = Callable[[HttpCall], HttpReply]


class HttpRoute(NamedTuple):
    """One row of a section's table: the client's methods have the same path, and the test of that is in tests."""

    section: str
    method: str
    path: str
    handler: Handler
    has_token: bool = True
