"""Which handler executes which type of action: one typed table, made by the composition root."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from gatewayd.model.errors import RefusedError
from gatewayd.model.request import Action, Answer, Request
from gatewayd.model.status import OperationStatus

A = TypeVar("A", bound=Action)

Handler = Callable[[Request, A], Awaitable[Answer]]
"""Executes `action` of `request` and returns the final answer. Raises GatewayError; its `status` is the answer then."""


class Entry(NamedTuple):
    """A row of the table; `handle` makes it."""

    action: type[Any]
    handler: Handler[Any]


def handle(action: type[A], handler: Handler[A]) -> Entry:
    """Actions of this type are executed by `handler`; a type checker compares the two."""
    return Entry(action, handler)


class Handlers:
    """The table. A type of action without a handler is refused."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_type = {entry.action: entry.handler for entry in entries}

    async def execute(self, request: Request) -> Answer:
        """Call the handler of the request's action. Raises RefusedError where there is none, and what it raises."""
        handler = self._by_type.get(type(request.action))
        if handler is None:
            raise RefusedError(f"nothing here executes {type(request.action).__name__}", OperationStatus.BAD_PARAMETERS)
        return await handler(request, request.action)
