"""The decoders of the API's objects: any JSON is decoded without loss or refused with its place."""

import json
import random
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.cloud.rest import (
    accounts,
    authorizations,
    keys,
    members,
    messages,
    releases,
    service,
    spaces,
    temporary_passwords,
    versions,
)
from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.batch import BatchApi, BatchOutcome, RestCall
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.errors import UncertainError, UnreadableAnswerError
from gatewayd.cloud.rest.objects import ApiObject, decode_object, encode_object, params_of
from gatewayd.cloud.rest.records import decode_record
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.errors import CloudError
from gatewayd.model.record_wire import to_wire

MODULES = (accounts, authorizations, keys, members, messages, temporary_passwords, releases, service, spaces, versions)
KINDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, ApiObject)
    and kind is not ApiObject
    and kind.__module__ == module.__name__
]
NAMES = sorted({name for kind in KINDS for name in get_type_hints(kind)} | {"superior", "authorizer", "type_id", "新"})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), json_values, max_size=12)


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(KINDS), value=objects | json_values)
def test_any_json_is_decoded_without_loss_or_refused_with_its_place(kind: type[ApiObject], value: Any) -> None:
    try:
        decoded = decode_object(value, kind, "the place")
    except UnreadableAnswerError as error:
        assert "the place" in str(error)  # noqa: PT017  (both outcomes are right)
        return
    encoded = encode_object(decoded)
    json.dumps(encoded)
    fields = set(get_type_hints(kind))
    for key, item in value.items():
        if key not in fields and key not in kind.ALIASES:
            assert encoded[key] == item
    assert decode_object(encoded, kind, "again") == decoded


@settings(max_examples=300, deadline=None)
@given(
    wire=st.fixed_dictionaries(
        {"uuid": st.text(max_size=16), "category": st.sampled_from(["gw", "lock", "switch", "sensor", "tv"])},
        optional={
            "param": st.dictionaries(
                st.sampled_from(["battery", "channel", "room_id", "pass", "zgb_ver", "x"]), json_values, max_size=4
            )
            | json_values,
            "title": json_values, "type": json_values, "type_sub": json_values, "perm": json_values, "x": json_values,
        },
    )
)  # fmt: skip
def test_any_record_is_decoded_without_loss_or_refused_with_its_place(wire: dict[str, Any]) -> None:
    try:
        record = decode_record(wire, "the place")
    except UnreadableAnswerError as error:
        assert "the place" in str(error)  # noqa: PT017  (as above)
        return
    assert decode_record(json.loads(json.dumps(to_wire(record))), "again") == record


def test_no_repr_shows_a_secret() -> None:
    for kind in KINDS:
        for name in kind.SECRET_FIELDS:
            hints = get_type_hints(kind)
            assert name in hints
            value: Any = [{"key_number": "4711-secret"}] if name == "keys" else "4711-secret"
            params_required = {"id": 1, "username": "u", "password": "p", "sms_code": "c"}
            wire = {key: value for key, value in params_required.items() if key in hints} | {name: value}
            assert "4711-secret" not in repr(decode_object(wire, kind, "here"))


def test_update_sends_unknown_keys_and_no_key_that_the_cloud_sets() -> None:
    wire = {
        "id": 5,
        "info_id": 6,
        "key_type": 1,
        "key_name": "x",
        "key_number": 1,
        "title": "小猴子",
        "未来": [1, None],
    }
    key = decode_object(wire, keys.CloudKey, "here")
    params = params_of(ENDPOINTS["keys.update"], key)
    assert params == {"info_id": 6, "key_type": 1, "key_name": "x", "key_number": 1, "未来": [1, None]}


@pytest.mark.parametrize("spelling", ["superior", "superior_id"])
def test_both_spellings_are_decoded(spelling: str) -> None:
    assert decode_object({spelling: 4}, spaces.Space, "here").superior_id == 4


class FixedTransport(Transport):
    """A transport that answers every call with the same `msg`, since the decoder is tested here."""

    def __init__(self, msg: Any) -> None:
        super().__init__("http://127.0.0.1", chance=random.Random(1))
        self._msg = msg

    async def call(self, *_: Any, **__: Any) -> Any:
        return self._msg


async def send_batch(msg: Any, parts: list[RestCall]) -> list[BatchOutcome]:
    async def token() -> str:
        return "t"

    return await BatchApi(ApiSession(FixedTransport(msg), token)).send(parts)


async def test_part_missing_in_the_batch_answer_is_uncertain() -> None:
    parts = [RestCall(name="keys.delete", id=1), RestCall(name="keys.delete", id=2)]
    outcomes = await send_batch([{"seq": 2, "status_sub": "200032"}, {"seq": "9", "status_sub": 200032}], parts)
    assert isinstance(outcomes[0].error, UncertainError)
    assert outcomes[1].error is None


async def test_part_with_server_error_or_unknown_status_fails() -> None:
    parts = [RestCall(name="keys.delete", id=number) for number in range(3)]
    answers = [{"seq": str(seq), "status_sub": code} for seq, code in enumerate((500000, 299999, 200033), 1)]
    outcomes = await send_batch(answers, parts)
    assert all(isinstance(one.error, CloudError) for one in outcomes)
    assert isinstance(outcomes[0].error, UncertainError)


@pytest.mark.parametrize("msg", [None, {}, 7, [7], [{"seq": 1}], [{"seq": "1", "status_sub": "done"}]])
async def test_unreadable_batch_answer_is_an_error(msg: Any) -> None:
    with pytest.raises(UncertainError, match="/api/iot/patch/ msg"):
        await send_batch(msg, [RestCall(name="keys.delete", id=1)])
