"""The client decodes the API's own examples, and encodes them again with every key."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.batch import RestCall
from gatewayd.cloud.rest.client import CloudClient
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.errors import BadParametersError
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.messages import CloudMessage, SmsAlarm
from gatewayd.cloud.rest.objects import ApiObject, encode_object
from gatewayd.cloud.rest.spaces import Space
from gatewayd.cloud.rest.temporary_passwords import TemporaryPassword
from gatewayd.model.record import Record
from gatewayd.model.record_wire import from_wire, to_wire
from gatewayd.simulator.cloud import SimulatedCloud
from tests.common.api_text import answers, examples, requests
from tests.common.rest import GATEWAY, LOCK


class Case(NamedTuple):
    """The number of an example answer in the section of the endpoint `name`, and the call that it answers."""

    name: str
    answer: int
    call: Callable[[CloudClient], Awaitable[Any]]


async def first(objects: Any) -> Any:
    return await anext(objects)


CASES = [
    Case("accounts.log_in", 0, lambda c: c.accounts.log_in("u", "p")),
    Case("accounts.profile", 0, lambda c: c.accounts.profile()),
    Case("accounts.update_profile", 0, lambda c: c.accounts.update_profile()),
    Case("accounts.external_username", 0, lambda c: c.accounts.external_username("x")),
    Case("accounts.register_gateway", 0, lambda c: c.accounts.register_gateway("u", "p")),
    Case("records.list", 0, lambda c: first(c.records.list())),
    Case("records.update", 1, lambda c: c.records.update(GATEWAY)),
    Case("records.create", 2, lambda c: c.records.create(GATEWAY)),
    Case("authorizations.create", 0, lambda c: c.authorizations.create(Authorization(perm=7))),
    Case("authorizations.update", 1, lambda c: c.authorizations.update(Authorization(id=16, perm=6))),
    Case("spaces.create", 0, lambda c: c.spaces.create(Space())),
    Case("members.update", 0, lambda c: c.members.update(Member(id=2))),
    Case("members.create", 1, lambda c: c.members.create(Member())),
    Case("members.list", 2, lambda c: first(c.members.list())),
    Case("keys.update", 0, lambda c: c.keys.update(CloudKey(id=5))),
    Case("keys.create", 1, lambda c: c.keys.create(CloudKey())),
    Case("messages.create", 0, lambda c: c.messages.create(CloudMessage())),
    Case("temporary_passwords.create", 0, lambda c: c.temporary_passwords.create(TemporaryPassword())),
    Case("versions.latest", 0, lambda c: c.versions.latest(1)),
    Case("service.send_feedback", 1, lambda c: c.service.send_feedback(1, "x")),
    Case("service.send_sms", 0, lambda c: c.service.send_sms(LOCK)),
    Case("service.send_push", 0, lambda c: c.service.send_push(LOCK)),
]


def encode(value: Any) -> dict[str, Any]:
    encoded: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(to_wire(value) if isinstance(value, Record) else encode_object(value))
    )
    return encoded


def is_same(example: Any, encoded: Any) -> bool:
    """Equal, but for the quotes around §2.2's level, and for what §11 leaves out of `param`."""
    if isinstance(example, str):
        return example == str(encoded)
    return bool(example == encoded) or (example == {} and isinstance(encoded, dict))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_example_is_decoded_and_encoded_without_loss(
    cloud: SimulatedCloud, client: CloudClient, case: Case
) -> None:
    endpoint = ENDPOINTS[case.name]
    example = answers(endpoint.section)[case.answer]
    if not str(example["status"]).isdecimal():
        example["status"] = endpoint.success[0]
    await client.log_in()
    cloud.faults.answer(endpoint.path.partition("{")[0], json.dumps(example))
    decoded = await case.call(client)
    content = example["msg"].get("data", example["msg"])
    content = content[0] if isinstance(content, list) else content
    encoded = encode(decoded)
    aliases = decoded.ALIASES if isinstance(decoded, ApiObject) else {"type": "type_sub"}
    missing = {
        key: value for key, value in content.items() if not is_same(value, encoded.get(aliases.get(key, key), "…"))
    }
    assert missing == {}


async def test_batch_example_is_decoded_per_part(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.answer("/api/iot/patch/", json.dumps(answers("2.5")[0]))
    space = Space(type="unit", title="房间7")
    created, refused = await client.batch.send([RestCall(name="spaces.create", body=space)] * 2)
    assert created.data["id"] == 32
    assert isinstance(refused.error, BadParametersError)
    assert refused.error.reason == "if space type is room,param 'superior_id' is needed"


async def test_short_answers_are_decoded(cloud: SimulatedCloud, client: CloudClient) -> None:
    await client.log_in()
    cloud.faults.answer("/api/iot/get_timestamp/", json.dumps(answers("2.13")[0]))
    cloud.faults.answer("/api/iot/share/", json.dumps(answers("2.15")[0]))
    cloud.faults.answer("/api/iot/sms/alarm/", json.dumps(answers("2.6")[0]))
    assert await client.service.timestamp() == 1532679058
    assert await client.service.share("13825182430", "ios") == "send success"
    serial = await client.messages.send_alarm(SmsAlarm.HIJACK, device="x", name="y", receiver="z")
    assert serial == "1116ca32-b569-4922-8c22-4e18da795e22"


@pytest.mark.parametrize("section", ["12.1", "12.2", "12.3", "12.4"])
def test_record_example_is_decoded_and_encoded_without_loss(section: str) -> None:
    (example,) = [one.value for one in examples() if one.section == section]
    encoded = encode(from_wire(example))
    assert {key: encoded[key] for key in example} == example
    # `icon` and the like are null where the example leaves them out; no other key is added.
    assert {key for key in encoded if key not in example} <= {"cluster", "authorization_id"}
    assert encoded["param"].keys() == example["param"].keys()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("accounts.request_code", 0), ("accounts.register", 0), ("accounts.log_in", 0),
        ("accounts.change_password", 0), ("accounts.request_reset_code", 0), ("accounts.reset_password", 0),
        ("accounts.update_profile", 0), ("accounts.update_avatar", 0), ("records.update", 0), ("records.create", 1),
        ("authorizations.create", 0), ("authorizations.update", 1), ("spaces.create", 0),
        ("accounts.register_gateway", 0), ("messages.send_alarm", 0), ("members.update", 0), ("members.create", 1),
        ("keys.update", 0), ("keys.create", 1), ("messages.create", 0), ("temporary_passwords.create", 0),
        ("service.send_feedback", 0), ("service.share", 0), ("releases.create", 0), ("service.send_sms", 0),
        ("service.send_push", 0),
    ],
)  # fmt: skip
def test_table_has_every_parameter_of_the_examples(name: str, number: int) -> None:
    endpoint = ENDPOINTS[name]
    request = requests(endpoint.section)[number]
    params = request.get("data", request)
    assert params.keys() - set(endpoint.params_known) == set()
    assert set(endpoint.params_required) - params.keys() == set()
