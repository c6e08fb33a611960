"""The client's decoders: whatever JSON comes, a row or one error with the place; what was read is given back."""

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
    passwords,
    releases,
    service,
    spaces,
    versions,
)
from gatewayd.cloud.rest.batch import BatchApi, BatchOutcome, BatchPart
from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.errors import UncertainError, UnreadableAnswerError
from gatewayd.cloud.rest.records import read_record
from gatewayd.cloud.rest.rows import ApiRow, params_of, read_row, write_row
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.errors import CloudError
from gatewayd.model.record_wire import to_wire

MODULES = (accounts, authorizations, keys, members, messages, passwords, releases, service, spaces, versions)
KINDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, ApiRow) and kind is not ApiRow and kind.__module__ == module.__name__
]
NAMES = sorted({name for kind in KINDS for name in get_type_hints(kind)} | {"superior", "authorizer", "type_id", "新"})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), json_values, max_size=12)


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(KINDS), wire=objects | json_values)
def test_whatever_comes_is_a_row_that_is_given_back_or_an_error_with_the_place(kind: type[ApiRow], wire: Any) -> None:
    try:
        row = read_row(wire, kind, "the place")
    except UnreadableAnswerError as error:
        assert "the place" in str(error)  # noqa: PT017  (there are two right outcomes)
        return
    again = write_row(row)
    json.dumps(again)
    fields = set(get_type_hints(kind))
    for key, value in wire.items():
        if key not in fields and key not in kind.ALSO:
            assert again[key] == value
    assert read_row(again, kind, "again") == row


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
def test_a_record_is_read_and_given_back_or_an_error_with_the_place(wire: dict[str, Any]) -> None:
    try:
        record = read_record(wire, "the place")
    except UnreadableAnswerError as error:
        assert "the place" in str(error)  # noqa: PT017  (as above)
        return
    assert read_record(json.loads(json.dumps(to_wire(record))), "again") == record


def test_no_repr_shows_a_secret() -> None:
    for kind in KINDS:
        for name in kind.SECRET:
            hints = get_type_hints(kind)
            assert name in hints
            value: Any = [{"key_number": "4711-secret"}] if name == "keys" else "4711-secret"
            needed = {"id": 1, "username": "u", "password": "p", "sms_code": "c"}
            wire = {key: value for key, value in needed.items() if key in hints} | {name: value}
            assert "4711-secret" not in repr(read_row(wire, kind, "here"))


def test_unknown_keys_travel_back_with_a_change_and_what_is_the_clouds_own_does_not() -> None:
    wire = {
        "id": 5,
        "info_id": 6,
        "key_type": 1,
        "key_name": "x",
        "key_number": 1,
        "title": "小猴子",
        "未来": [1, None],
    }
    key = read_row(wire, keys.CloudKey, "here")
    said = params_of(ENDPOINTS["keys.update"], key)
    assert said == {"info_id": 6, "key_type": 1, "key_name": "x", "key_number": 1, "未来": [1, None]}


@pytest.mark.parametrize(("spelled", "kind"), [("superior", spaces.Space), ("superior_id", spaces.Space)])
def test_both_spellings_are_read(spelled: str, kind: type[spaces.Space]) -> None:
    assert read_row({spelled: 4}, kind, "here").superior_id == 4


class _Told(Transport):
    """A transport whose answer is given, since it is the decoder that is tested."""

    def __init__(self, msg: Any) -> None:
        super().__init__("http://127.0.0.1", chance=random.Random(1))
        self._msg = msg

    async def call(self, *_: Any, **__: Any) -> Any:
        return self._msg


async def outcomes(msg: Any, parts: list[BatchPart]) -> list[BatchOutcome]:
    async def token() -> str:
        return "t"

    return await BatchApi(Caller(_Told(msg), token)).send(parts)


async def test_a_batch_that_does_not_speak_of_a_part_leaves_it_uncertain() -> None:
    parts = [BatchPart(name="keys.delete", id=1), BatchPart(name="keys.delete", id=2)]
    done = await outcomes([{"seq": 2, "status_sub": "200032"}, {"seq": "9", "status_sub": 200032}], parts)
    assert isinstance(done[0].error, UncertainError)
    assert done[1].error is None


async def test_a_part_that_met_a_server_error_or_an_unknown_status_did_not_succeed() -> None:
    parts = [BatchPart(name="keys.delete", id=number) for number in range(3)]
    answers = [{"seq": str(seq), "status_sub": code} for seq, code in enumerate((500000, 299999, 200033), 1)]
    done = await outcomes(answers, parts)
    assert all(isinstance(one.error, CloudError) for one in done)
    assert isinstance(done[0].error, UncertainError)


@pytest.mark.parametrize("msg", [None, {}, 7, [7], [{"seq": 1}], [{"seq": "1", "status_sub": "done"}]])
async def test_a_batch_answer_that_is_none_is_an_error(msg: Any) -> None:
    with pytest.raises(UncertainError, match="/api/iot/patch/ msg"):
        await outcomes(msg, [BatchPart(name="keys.delete", id=1)])
