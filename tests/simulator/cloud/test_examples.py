"""The simulated cloud answers the API's example requests with the keys of its example answers, nested ones too.

Both are read from the API's text. What depends on the simulated accounts (ids, a code that was sent) is filled in.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.api_text import answers, requests
from tests.common.simulated_cloud import ADMIN, GUEST, GUEST_ID, LOCK, PASSWORD, USER, USER_ID, ApiUser, log_in

ACCOUNTS, IOT = "/api/accounts", "/api/iot"
NEW_USER = "13825182430"


class Case(NamedTuple):
    """`request` and `answer` are places in the section's examples (None: no body); `fill` replaces request fields."""

    section: str
    method: str
    path: str
    request: int | None
    answer: int
    fill: Mapping[str, Any] = MappingProxyType({})


CASES = [
    Case("1.1", "POST", f"{ACCOUNTS}/register_get_smscode/", 0, 0),
    Case("1.2", "POST", f"{ACCOUNTS}/register_sms/", 0, 0,
         {"username": NEW_USER, "password": "long-enough", "password_2": "long-enough", "sms_code": "sent"}),
    Case("1.3", "POST", f"{ACCOUNTS}/login/", 0, 0, {"username": USER, "password": PASSWORD}),
    Case("1.4", "GET", f"{ACCOUNTS}/user_get_profile/", None, 0),
    Case("1.5", "POST", f"{ACCOUNTS}/password_reset_old_psw/", 0, 0,
         {"username": GUEST, "old_password": PASSWORD, "new_password": "another-1", "new_password_2": "another-1"}),
    Case("1.6", "POST", f"{ACCOUNTS}/password_reset_get_smscode/", 0, 0, {"username": GUEST}),
    Case("1.7", "POST", f"{ACCOUNTS}/password_reset_sms/", 0, 0,
         {"username": GUEST, "new_password": "another-1", "new_password_2": "another-1", "sms_code": "sent"}),
    Case("1.8", "POST", f"{ACCOUNTS}/user_update_profile/", 0, 0),
    Case("1.9", "POST", f"{ACCOUNTS}/user_update_avatar/", 0, 0,
         {"image_type": "jpg", "data_type": "base64", "image_data": "d2Vy"}),
    Case("1.10", "GET", f"{ACCOUNTS}/user_get_avatar/2/avatar.jpg/", None, 0),
    Case("1.11", "GET", f"{ACCOUNTS}/user_get_username_external/wx-1", None, 0),
    Case("2.1", "GET", f"{IOT}/iot_manage_view/", None, 0, {"category": "gw"}),
    Case("2.1", "PUT", f"{IOT}/iot_manage_view/2/", 0, 1),
    Case("2.1", "POST", f"{IOT}/iot_manage_view/", 1, 2),
    Case("2.2", "POST", f"{IOT}/authorization/", 0, 0, {"info_id": 2, "authorized_id": GUEST_ID}),
    Case("2.2", "PUT", f"{IOT}/authorization/1/", 1, 1),
    Case("2.3", "POST", f"{IOT}/space/", 0, 0, {"home_id": 1}),
    Case("2.4", "POST", f"{ACCOUNTS}/register/gw", 0, 0),
    Case("2.5", "POST", f"{IOT}/patch/", 0, 0),
    Case("2.6", "POST", f"{IOT}/sms/alarm/", 0, 0),
    Case("2.7", "PUT", f"{IOT}/members/4/", 0, 0, {"user_id": GUEST_ID}),
    Case("2.7", "POST", f"{IOT}/members/", 1, 1, {"home_id": 1}),
    Case("2.7", "GET", f"{IOT}/members/", None, 2),
    Case("2.8", "PUT", f"{IOT}/keys/1/", 0, 0, {"info_id": 1, "member_id": 1}),
    Case("2.8", "POST", f"{IOT}/keys/", 1, 1, {"info_id": 1, "member_id": 1}),
    Case("2.9", "POST", f"{IOT}/messages/", 0, 0, {"info_id": 1, "occur_time": "2018-07-28 11:11:11"}),
    Case("2.10", "POST", f"{IOT}/temporary_passwords/", 0, 0, {"authorizer_id": USER_ID, "info_id": 1}),
    Case("2.12", "GET", f"{IOT}/versions/latest/", None, 0, {"device_type": "1"}),
    Case("2.13", "GET", f"{IOT}/get_timestamp/", None, 0),
    Case("2.13", "POST", f"{IOT}/feedback/", 0, 1),
    Case("2.15", "POST", f"{IOT}/share/", 0, 0),
    Case("3.2", "POST", "/api/app/release_view/", 0, 0),
    Case("11.1", "POST", "/api/sms/sms_manage_view/", 0, 0),
    Case("11.2", "POST", "/api/push/push_manage_view/", 0, 0),
]  # fmt: skip


@pytest.fixture
async def home_user(cloud: SimulatedCloud, user: ApiUser) -> ApiUser:
    """A user with a lock (1), a gateway (2), a key (1), a member without an account (4), an authorization (1)."""
    await user.create(f"{IOT}/iot_manage_view/", **LOCK)
    await user.create(
        f"{IOT}/iot_manage_view/", category="gw", type_sub="AA01GW-UG", uuid="00158d0000d04700", title="网"
    )
    key = {"key_type": 0, "key_name": "test", "key_number": "12345678"}
    await user.create(f"{IOT}/keys/", info_id=1, member_id=1, **key)
    await user.create(f"{IOT}/members/", home_id=1, title="小星星")
    await user.create(f"{IOT}/authorization/", info_id=1, authorized_id=GUEST_ID, perm=7)
    cloud.add_version("1.0.0", 1)
    cloud.state.register("18823360820", PASSWORD, wechat_service="wx-1")
    return user


def filled(cloud: SimulatedCloud, case: Case, example: Any) -> Any:
    """The example request with the case's fields; "sent" stands for the code that was sent."""
    fill = {name: cloud.sent("code")[-1][1] if value == "sent" else value for name, value in case.fill.items()}
    if isinstance(example.get("data"), dict):
        return {"data": example["data"] | fill}
    return example | fill


def keys_of(value: Any) -> Any:
    """A value's keys, nested ones too; of a list those of its first item."""
    if isinstance(value, dict):
        return {key: keys_of(inner) for key, inner in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else "…"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.method} {case.answer}")
async def test_answer_has_keys_of_example(cloud: SimulatedCloud, home_user: ApiUser, case: Case) -> None:
    expected = answers(case.section)[case.answer]
    caller = await log_in(home_user.session, ADMIN) if case.section == "3.2" else home_user
    if case.fill.get("sms_code"):
        kind = "register_get_smscode" if case.section == "1.2" else "password_reset_get_smscode"
        await home_user.request("POST", f"{ACCOUNTS}/{kind}/", {"username": case.fill["username"]})
    if case.request is None:
        answer = await caller.request(case.method, case.path, **case.fill)
    else:
        answer = await caller.request(case.method, case.path, filled(cloud, case, requests(case.section)[case.request]))
    assert keys_of(answer) == keys_of({"desc": "", **expected})
    if str(expected["status"]).isdecimal():
        assert type(answer["status"]) is type(expected["status"])
        assert str(answer["status"])[:3] == str(expected["status"])[:3]


def test_every_example_answer_has_a_case() -> None:
    in_text = {
        (section, nth)
        for section in (*(f"1.{number}" for number in range(1, 13)), *(f"2.{number}" for number in range(1, 16)),
                        "3.2", "11.1", "11.2")
        for nth in range(len(answers(section)))
    }  # fmt: skip
    assert {(case.section, case.answer) for case in CASES} == in_text


async def test_example_batch_is_answered_as_in_example(home_user: ApiUser) -> None:
    (expected,) = answers("2.5")
    answer = await home_user.request("POST", f"{IOT}/patch/", requests("2.5")[0])
    assert (answer["status"], answer["desc"]) == (expected["status"], expected["desc"])
    results, expected_results = answer["msg"], expected["msg"]
    assert [(one["seq"], one["status_sub"], one["desc_sub"]) for one in results] == [
        (one["seq"], one["status_sub"], one["desc_sub"]) for one in expected_results
    ]
    assert results[1]["err"] == expected_results[1]["err"]
