"""The simulated cloud answers every request, however wrong, with a status of the route's section."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.cloud.rest.endpoints import ENDPOINTS, ParamsIn, RestEndpoint
from gatewayd.model.rest_status import rest_status
from gatewayd.simulator.cloud import SimulatedCloud
from gatewayd.simulator.cloud.calls import HttpCall, HttpRoute, StatusError
from gatewayd.simulator.cloud.routes import ROUTES, find_route
from tests.common.simulated_cloud import ADMIN, LOCK, PASSWORD, USER, ApiUser, log_in

WITH_BODY = [
    row for row in ENDPOINTS.values() if row.params_in in {ParamsIn.DATA, ParamsIn.BODY} and row.params_required
]
VALID: dict[str, Any] = {
    "info_id": 1, "authorized_id": 2, "perm": 3, "type": "unit", "home_id": 1, "member_id": 1, "key_type": 1,
    "key_number": 5, "category": "gw", "authorizer_id": 1, "start_time": "2018-07-06 10:30",
    "end_time": "2018-07-06 11:30", "duration": 60, "platform": "ios", "msg_type": "hijack", "image_type": "jpg",
    "data_type": "base64", "image_data": "d2Vy", "username": "13825182430",
}  # fmt: skip


def valid_fields(endpoint: RestEndpoint) -> dict[str, Any]:
    """A request's fields with every required one."""
    fields = {name: VALID.get(name, f"some {name}") for name in endpoint.params_required}
    return fields | ({"category": 1} if endpoint.name == "service.send_feedback" else {})


def body(endpoint: RestEndpoint, fields: object) -> object:
    return {"data": fields} if endpoint.params_in is ParamsIn.DATA else fields


@pytest.fixture
async def caller(cloud: SimulatedCloud, user: ApiUser) -> ApiUser:
    """An administrator with a lock (1), so that nothing but the request can be wrong."""
    admin = await log_in(user.session, ADMIN)
    await user.create("/api/iot/iot_manage_view/", **LOCK)
    await user.create("/api/iot/authorization/", info_id=1, authorized_id=3, perm=7)
    return admin


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("wrong", [[], {}, True, None], ids=["list", "object", "boolean", "nothing"])
async def test_request_with_missing_or_mistyped_parameter_is_refused(
    caller: ApiUser, endpoint: RestEndpoint, wrong: object
) -> None:
    for name in endpoint.params_required:
        fields = {key: value for key, value in valid_fields(endpoint).items() if key != name}
        fields |= {} if wrong is None else {name: wrong}
        answer = await caller.request(endpoint.method, endpoint.path.format(id=1), body(endpoint, fields))
        status = rest_status(endpoint.section, int(answer["status"]))
        if endpoint.name == "accounts.register_external" and name == "wechat_service" and wrong is None:
            continue  # without it the call is one of §1.2
        assert status is not None, name
        assert not status.is_success, name
        assert answer["desc"] == status.desc


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("wrong", ["<html>", "", "[]", '"text"', '{"data": []}', '{"data": 7}', "null", b"\xff\xfe"],
                         ids=repr)  # fmt: skip
async def test_malformed_body_is_refused(caller: ApiUser, endpoint: RestEndpoint, wrong: str | bytes) -> None:
    headers = {"Authorization": f"Token {caller.token}"}
    path = endpoint.path.format(id=1)
    async with caller.session.request(endpoint.method, path, data=wrong, headers=headers) as response:
        answer = await response.json()
    status = rest_status(endpoint.section, int(answer["status"]))
    assert status is not None
    assert not status.is_success


@pytest.mark.parametrize(
    "endpoint", [row for row in ENDPOINTS.values() if "{id}" in row.path], ids=lambda endpoint: endpoint.name
)
async def test_unknown_id_is_refused(caller: ApiUser, endpoint: RestEndpoint) -> None:
    fields = body(endpoint, valid_fields(endpoint))
    answer = await caller.request(endpoint.method, endpoint.path.format(id=4711), fields)
    status = rest_status(endpoint.section, int(answer["status"]))
    assert status is not None
    assert not status.is_success


FILE = 200  # the status of a file, which has no envelope


def code_of(route: HttpRoute, call: HttpCall) -> int:
    try:
        return route.handler(call).code
    except StatusError as error:
        return error.code


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
names = st.sampled_from(sorted({name for row in ENDPOINTS.values() for name in row.params_known} | {"data", "x"}))
values = st.recursive(
    scalars | st.sampled_from(list(VALID.values())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    fields=st.dictionaries(names, values, max_size=8) | values,
    query=st.dictionaries(names, st.sampled_from(["1", "0", "x", "", "99999999999999999999"]), max_size=3),
    id_=st.sampled_from(["1", "2", "99999999999999999999"]),
)
def test_random_request_is_answered_with_status_of_its_section(
    route: HttpRoute, fields: Any, query: dict[str, str], id_: str
) -> None:
    cloud = SimulatedCloud(now=lambda: datetime.now(UTC))
    account_id = cloud.register(USER, PASSWORD, is_admin=True)
    token = cloud.state.log_in(account_id)
    find_route("POST", "/api/iot/iot_manage_view/")[0].handler(HttpCall(cloud.state, body={"data": LOCK}, token=token))
    for content in (fields, {"data": fields}):
        code = code_of(route, HttpCall(cloud.state, query=query, body=content, id=id_, token=token))
        assert code == FILE or rest_status(route.section, code) is not None
    cloud.state.db.close()
