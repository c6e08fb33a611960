"""Every status of every section, answered to every endpoint of it: a success, or the exception that it means."""

import json

import pytest

from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.endpoints import ENDPOINTS, RestEndpoint
from gatewayd.cloud.rest.errors import (
    AlreadyThereError,
    BadParametersError,
    CloudUnavailableError,
    ForbiddenError,
    LoginRefusedError,
    NotThereError,
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


async def answered(cloud: SimulatedCloud, client: CloudClient, endpoint: RestEndpoint, code: int) -> Exception:
    """What the call raises when the cloud answers `code`, however often it is asked."""
    body = json.dumps({"msg": {}, "status": code, "desc": "the cloud's own words"})
    cloud.faults.clear()
    cloud.faults.answer(endpoint.path.partition("{")[0], body, times=3)
    with pytest.raises((RefusedByCloudError, CloudUnavailableError)) as raised:
        await CALLS[endpoint.name](client)
    return raised.value


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if REFUSALS[name]])
async def test_a_documented_refusal_is_raised_with_its_meaning(
    cloud: SimulatedCloud, client: CloudClient, name: str
) -> None:
    await client.log_in()
    for row in REFUSALS[name]:
        error = await answered(cloud, client, ENDPOINTS[name], row.code)
        if is_server_error(row.code):
            assert isinstance(error, UncertainError) == (not ENDPOINTS[name].is_repeatable)
            assert isinstance(error, CloudUnavailableError)
        elif row.code in TOKEN_REFUSED and ENDPOINTS[name].has_token:
            assert isinstance(error, LoginRefusedError)  # twice: the token was renewed in between
        else:
            assert isinstance(error, RefusedByCloudError)
            assert error.known is not None
            assert (error.code, error.known.code) == (row.code, row.code)
            assert error.known.desc in str(error)
            assert error.is_token == (row.code in TOKEN_REFUSED)


@pytest.mark.parametrize("desc", ['"又是新的"', "null", '""'])
async def test_a_trouble_of_the_servers_is_worth_another_try_in_whatever_words(
    cloud: SimulatedCloud, client: CloudClient, desc: str
) -> None:
    await client.log_in()
    body = f'{{"msg": {{}}, "status": 503001, "desc": {desc}}}'
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=2)
    assert await client.service.timestamp() > 0
    cloud.faults.answer("/api/iot/get_timestamp/", body, times=3)
    with pytest.raises(CloudUnavailableError, match="503001"):
        await client.service.timestamp()


@pytest.mark.parametrize(
    ("section", "code", "kind"),
    [
        ("2.1", 400064, AlreadyThereError),
        ("2.3", 400080, AlreadyThereError),
        ("2.2", 400088, AlreadyThereError),
        ("2.7", 400094, AlreadyThereError),
        ("2.8", 400099, AlreadyThereError),
        ("1.2", 400007, AlreadyThereError),
        ("1.12", 400007, AlreadyThereError),
        ("2.1", 400065, NotThereError),
        ("2.2", 400087, NotThereError),
        ("2.3", 400074, NotThereError),
        ("2.8", 400098, NotThereError),
        ("2.10", 400101, NotThereError),
        ("2.9", 400042, ForbiddenError),
        ("3.2", 400302, ForbiddenError),
        ("2.15", 400003, BadParametersError),
        ("2.2", 400086, RefusedByCloudError),
        ("2.3", 400083, RefusedByCloudError),
        ("2.8", 400064, RefusedByCloudError),  # not documented in §2.8: no meaning there
    ],
)
def test_refusals_have_their_kinds(section: str, code: int, kind: type[RefusedByCloudError]) -> None:
    assert type(refusal("GET /", code, "", rest_status(section, code))) is kind
