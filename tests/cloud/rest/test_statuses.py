"""Every documented refusal of every section, as the answer to each of its endpoints, raises the right error."""

import json

import pytest

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.errors import (
    AlreadyExistsError,
    BadParametersError,
    CloudUnavailableError,
    ForbiddenError,
    LoginRefusedError,
    NotFoundError,
    RefusedByCloudError,
    UncertainError,
    refusal,
)
from gatewayd.model.rest_status import STATUSES, TOKEN_REFUSED, is_server_error, rest_status
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.rest_calls import CALLS

REFUSALS = {
    name: [row for row in STATUSES if row.section == endpoint.section and row.code not in endpoint.success]
    for name, endpoint in ENDPOINTS.items()
}


async def error_of(cloud: SimulatedCloud, client: CloudClient, endpoint: RestEndpoint, code: int) -> Exception:
    """The error of a call that the cloud always answers with `code`."""
    body = json.dumps({"msg": {}, "status": code, "desc": "the cloud's own words"})
    cloud.faults.clear()
    cloud.faults.answer(endpoint.path.partition("{")[0], body, times=3)
    with pytest.raises((RefusedByCloudError, CloudUnavailableError)) as raised:
        await CALLS[endpoint.name](client)
    return raised.value


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if REFUSALS[name]])
async def test_documented_refusal_is_raised_with_its_meaning(
    cloud: SimulatedCloud, client: CloudClient, name: str
) -> None:
    await client.log_in()
    for row in REFUSALS[name]:
        error = await error_of(cloud, client, ENDPOINTS[name], row.code)
        if is_server_error(row.code):
            assert isinstance(error, UncertainError) == (not ENDPOINTS[name].is_repeatable)
            assert isinstance(error, CloudUnavailableError)
        elif row.code in TOKEN_REFUSED and ENDPOINTS[name].needs_token:
            assert isinstance(error, LoginRefusedError)  # refused twice, with a login in between
        else:
            assert isinstance(error, RefusedByCloudError)
            assert error.documented is not None
            assert (error.code, error.documented.code) == (row.code, row.code)
            assert error.documented.desc in str(error)
            assert error.is_token_refused == (row.code in TOKEN_REFUSED)


@pytest.mark.parametrize("desc", ['"又是新的"', "null", '""'])
async def test_undocumented_server_error_is_retried(cloud: SimulatedCloud, client: CloudClient, desc: str) -> None:
    await client.log_in()
    body = f'{{"msg": {{}}, "status": 503001, "desc": {desc}}}'
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=2)
    assert await client.service.timestamp() > 0
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=3)
    with pytest.raises(CloudUnavailableError, match="503001"):
        await client.service.timestamp()


@pytest.mark.parametrize(
    ("section", "code", "error"),
    [
        ("2.1", 400064, AlreadyExistsError),
        ("2.3", 400080, AlreadyExistsError),
        ("2.2", 400088, AlreadyExistsError),
        ("2.7", 400094, AlreadyExistsError),
        ("2.8", 400099, AlreadyExistsError),
        ("1.2", 400007, AlreadyExistsError),
        ("1.12", 400007, AlreadyExistsError),
        ("2.1", 400065, NotFoundError),
        ("2.2", 400087, NotFoundError),
        ("2.3", 400074, NotFoundError),
        ("2.8", 400098, NotFoundError),
        ("2.10", 400101, NotFoundError),
        ("2.9", 400042, ForbiddenError),
        ("3.2", 400302, ForbiddenError),
        ("2.15", 400003, BadParametersError),
        ("2.2", 400086, RefusedByCloudError),
        ("2.3", 400083, RefusedByCloudError),
        ("2.8", 400064, RefusedByCloudError),  # §2.8 does not document it
    ],
)
def test_refusal_has_the_error_of_its_outcome(section: str, code: int, error: type[RefusedByCloudError]) -> None:
    assert type(refusal("GET /", code, "", rest_status(section, code))) is error
