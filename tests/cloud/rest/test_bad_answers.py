"""Whatever the cloud answers, to whatever endpoint: one clear error that names the call, and the next call works."""

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
from tests.common.rest import PASSWORD, USER, connected
from tests.common.rest_calls import CALLS, SAYS_ONLY_WHETHER
from tests.common.tls import authority

TEN_MEGABYTES = 10 << 20


def test_there_is_a_call_for_every_endpoint_of_the_table() -> None:
    assert CALLS.keys() == ENDPOINTS.keys()


@pytest.fixture
async def ready(client: CloudClient) -> CloudClient:
    """A client that has its token, so that the next call is the one under test."""
    await client.log_in()
    return client


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call gave or raised."""
    try:
        return await call
    except CloudError as error:
        return error


def fixed_part(endpoint: RestEndpoint) -> str:
    return endpoint.path.partition("{")[0]


def answer(status: Any, msg: Any) -> str:
    return json.dumps({"msg": msg, "status": status, "desc": "…"})


def of_another_call(endpoint: RestEndpoint) -> int:
    """A success that the API documents, of another call."""
    return next(row.code for row in STATUSES if row.is_success and row.code not in endpoint.success)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "body",
    ["<html><h1>Bad Gateway</h1></html>", "", "[1, 2]", '{"msg": {}}', answer("ok", {}), "x" * TEN_MEGABYTES],
    ids=["html", "empty", "list", "no status", "status of letters", "ten megabytes"],
)
async def test_what_is_no_answer_is_an_error_that_names_the_call(
    cloud: SimulatedCloud, ready: CloudClient, name: str, body: str
) -> None:
    endpoint = ENDPOINTS[name]
    cloud.faults.answer(fixed_part(endpoint), body, times=3)
    with pytest.raises(CloudUnavailableError, match=f"{endpoint.method} {re.escape(fixed_part(endpoint))}") as error:
        await CALLS[name](ready)
    if len(body) < TEN_MEGABYTES:
        assert isinstance(error.value, UncertainError) == (not endpoint.is_repeatable)
    cloud.faults.clear()
    assert await ready.service.timestamp() > 0


@pytest.mark.parametrize("name", CALLS)
async def test_a_status_that_does_not_fit_is_refused_and_shown(
    cloud: SimulatedCloud, ready: CloudClient, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    for status in (of_another_call(endpoint), 299999, 499999):
        cloud.faults.answer(fixed_part(endpoint), answer(status, {}))
        with pytest.raises(RefusedByCloudError, match=str(status)):
            await CALLS[name](ready)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - SAYS_ONLY_WHETHER))
@pytest.mark.parametrize("msg", [None, 7, "text", [7], {}, {"data": 7}, {"data": [7]}, {"data": {"id": "seven"}}],
                         ids=str)  # fmt: skip
async def test_a_success_with_something_else_in_it_is_an_error_that_names_the_place(
    cloud: SimulatedCloud, ready: CloudClient, name: str, msg: Any
) -> None:
    endpoint = ENDPOINTS[name]
    cloud.faults.answer(fixed_part(endpoint), answer(endpoint.success[0], msg), times=3)
    came = await outcome(CALLS[name](ready))
    assert isinstance(came, CloudError)
    assert fixed_part(endpoint) in str(came)
    assert "msg" in str(came) or name == "accounts.avatar"
    assert isinstance(came, UncertainError) == (not endpoint.is_repeatable)  # a success all the same


@pytest.mark.parametrize("name", CALLS)
async def test_a_redirect_is_not_followed_and_the_token_stays(
    cloud: SimulatedCloud, ready: CloudClient, name: str
) -> None:
    async with elsewhere() as (address, visits):
        cloud.faults.redirect(fixed_part(ENDPOINTS[name]), address, times=3)
        with pytest.raises(CloudUnavailableError, match="redirect"):
            await CALLS[name](ready)
        assert visits == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_cut_in_mid_answer_is_made_again_where_that_does_no_harm_and_is_uncertain_elsewhere(
    cloud: SimulatedCloud, ready: CloudClient, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    before = len(cloud.requests)
    cloud.faults.cut_within(fixed_part(endpoint), times=1)
    came = await outcome(CALLS[name](ready))
    assert isinstance(came, UncertainError) == (not endpoint.is_repeatable)
    assert len(cloud.requests) - before == (2 if endpoint.is_repeatable else 1)


async def test_a_page_that_promises_more_and_gives_nothing_ends(cloud: SimulatedCloud, ready: CloudClient) -> None:
    page = {"page": {"total_page": 9_999, "current_page": 1}, "data": []}
    cloud.faults.answer("/api/iot/keys/", answer(200033, page))
    assert [key async for key in ready.keys.list()] == []


@pytest.mark.parametrize("page", [{"total_page": "many"}, 7])
async def test_a_page_that_cannot_be_counted_is_an_error(
    cloud: SimulatedCloud, ready: CloudClient, page: object
) -> None:
    cloud.faults.answer("/api/iot/keys/", answer(200033, {"page": page, "data": [{"id": 1}]}))
    with pytest.raises(UnreadableAnswerError, match=r"msg\.page"):
        [key async for key in ready.keys.list()]


async def test_a_cloud_that_hangs_is_left(cloud: SimulatedCloud) -> None:
    cloud.faults.hang("/api/accounts/login/", times=3)
    async with connected(cloud, timeout=aiohttp.ClientTimeout(total=0.05)) as client:
        with pytest.raises(CloudUnavailableError, match="no answer"):
            await client.log_in()


async def test_a_certificate_that_is_not_trusted_is_refused_and_a_private_one_taken(tmp_path: Path) -> None:
    ca, server = authority(tmp_path)
    async with SimulatedCloud(now=lambda: datetime.now(UTC)).serve(tls=server) as cloud:
        cloud.register(USER, PASSWORD)
        async with connected(cloud) as client:
            with pytest.raises(CloudUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.service.timestamp()
        assert cloud.requests == []
        async with connected(cloud, tls=ssl.create_default_context(cafile=ca)) as client:
            assert await client.service.timestamp() > 0


@asynccontextmanager
async def elsewhere() -> AsyncIterator[tuple[str, list[str]]]:
    """Another host, and who came there with which token."""
    visits: list[str] = []

    async def visited(request: web.Request) -> web.Response:
        visits.append(request.headers.get("Authorization", "nobody"))
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", visited)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", visits
    finally:
        await runner.cleanup()
