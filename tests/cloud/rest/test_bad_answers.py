"""Unexpected answers to every endpoint: one clear error that names the call, and the next call works."""

import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.errors import (
    CloudUnavailableError,
    RefusedByCloudError,
    UncertainError,
    UnreadableAnswerError,
)
from gatewayd.model.errors import CloudError
from gatewayd.model.rest_status import STATUSES
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest import PASSWORD, USER, connect_client
from tests.common.rest_calls import CALLS, WITHOUT_CONTENT
from tests.common.tls import private_ca

TOO_LARGE = 10 << 20


def test_every_endpoint_has_a_call() -> None:
    assert CALLS.keys() == ENDPOINTS.keys()


@pytest.fixture
async def logged_in(client: CloudClient) -> CloudClient:
    """A client with a token, so that the next request is the call under test."""
    await client.log_in()
    return client


async def outcome(call: Awaitable[Any]) -> Any:
    """The result of a call, or the CloudError that it raised."""
    try:
        return await call
    except CloudError as error:
        return error


def path_before_id(endpoint: RestEndpoint) -> str:
    return endpoint.path.partition("{")[0]


def answer(status: Any, msg: Any) -> str:
    return json.dumps({"msg": msg, "status": status, "desc": "…"})


def success_of_another_call(endpoint: RestEndpoint) -> int:
    """A success status that the API documents for another call."""
    return next(row.code for row in STATUSES if row.is_success and row.code not in endpoint.success)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "body",
    ["<html><h1>Bad Gateway</h1></html>", "", "[1, 2]", '{"msg": {}}', answer("ok", {}), "[" * 3000, "x" * TOO_LARGE],
    ids=["html", "empty", "list", "no status", "status of letters", "3,000 brackets", "ten megabytes"],
)
async def test_unreadable_answer_to_any_call_is_an_error_that_names_it(
    cloud: SimulatedCloud, logged_in: CloudClient, name: str, body: str
) -> None:
    endpoint = ENDPOINTS[name]
    cloud.faults.answer(path_before_id(endpoint), body, times=3)
    with pytest.raises(
        CloudUnavailableError, match=f"{endpoint.method} {re.escape(path_before_id(endpoint))}"
    ) as error:
        await CALLS[name](logged_in)
    if len(body) < TOO_LARGE:
        assert isinstance(error.value, UncertainError) == (not endpoint.is_repeatable)
    cloud.faults.clear()
    assert await logged_in.service.timestamp() > 0


@pytest.mark.parametrize("name", CALLS)
async def test_status_of_another_call_is_refused_and_shown(
    cloud: SimulatedCloud, logged_in: CloudClient, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    for status in (success_of_another_call(endpoint), 299999, 499999):
        cloud.faults.answer(path_before_id(endpoint), answer(status, {}))
        with pytest.raises(RefusedByCloudError, match=str(status)):
            await CALLS[name](logged_in)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - WITHOUT_CONTENT))
@pytest.mark.parametrize("msg", [None, 7, "text", [7], {}, {"data": 7}, {"data": [7]}, {"data": {"id": "seven"}}],
                         ids=str)  # fmt: skip
async def test_success_with_wrong_content_is_an_error_that_names_the_place(
    cloud: SimulatedCloud, logged_in: CloudClient, name: str, msg: Any
) -> None:
    endpoint = ENDPOINTS[name]
    cloud.faults.answer(path_before_id(endpoint), answer(endpoint.success[0], msg), times=3)
    result = await outcome(CALLS[name](logged_in))
    assert isinstance(result, CloudError)
    assert path_before_id(endpoint) in str(result)
    assert "msg" in str(result) or name == "accounts.avatar"
    assert isinstance(result, UncertainError) == (not endpoint.is_repeatable)  # the call succeeded all the same


@pytest.mark.parametrize("name", CALLS)
async def test_redirect_is_not_followed(cloud: SimulatedCloud, logged_in: CloudClient, name: str) -> None:
    async with other_host() as (address, tokens):
        cloud.faults.redirect(path_before_id(ENDPOINTS[name]), address, times=3)
        with pytest.raises(CloudUnavailableError, match="redirect"):
            await CALLS[name](logged_in)
        assert tokens == []


@pytest.mark.parametrize("name", CALLS)
async def test_call_cut_off_in_its_answer_is_repeated_only_when_repeatable(
    cloud: SimulatedCloud, logged_in: CloudClient, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    before = len(cloud.requests)
    cloud.faults.cut_within(path_before_id(endpoint), times=1)
    result = await outcome(CALLS[name](logged_in))
    assert isinstance(result, UncertainError) == (not endpoint.is_repeatable)
    assert len(cloud.requests) - before == (2 if endpoint.is_repeatable else 1)


async def test_empty_page_ends_the_list(cloud: SimulatedCloud, logged_in: CloudClient) -> None:
    page = {"page": {"total_page": 9_999, "current_page": 1}, "data": []}
    cloud.faults.answer("/api/iot/keys/", answer(200033, page))
    assert [key async for key in logged_in.keys.list()] == []


@pytest.mark.parametrize("page", [{"total_page": "many"}, 7])
async def test_malformed_page_info_is_an_error(cloud: SimulatedCloud, logged_in: CloudClient, page: object) -> None:
    cloud.faults.answer("/api/iot/keys/", answer(200033, {"page": page, "data": [{"id": 1}]}))
    with pytest.raises(UnreadableAnswerError, match=r"msg\.page"):
        [key async for key in logged_in.keys.list()]


async def test_hanging_cloud_times_out(cloud: SimulatedCloud) -> None:
    cloud.faults.hang("/api/accounts/login/", times=3)
    async with connect_client(cloud, timeout=aiohttp.ClientTimeout(total=0.05)) as client:
        with pytest.raises(CloudUnavailableError, match="no answer"):
            await client.log_in()


async def test_certificate_of_a_private_ca_is_accepted_only_with_that_ca(tmp_path: Path) -> None:
    ca, server = private_ca(tmp_path)
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve(tls=server) as cloud:
        cloud.register(USER, PASSWORD)
        async with connect_client(cloud) as client:
            with pytest.raises(CloudUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.service.timestamp()
        assert cloud.requests == []
        async with connect_client(cloud, tls=ssl.create_default_context(cafile=ca)) as client:
            assert await client.service.timestamp() > 0


@asynccontextmanager
async def other_host() -> AsyncIterator[tuple[str, list[str]]]:
    """Another host: its address, and the tokens of the requests that it received."""
    tokens: list[str] = []

    async def record_token(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization", "none"))
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record_token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", tokens
    finally:
        await runner.cleanup()
