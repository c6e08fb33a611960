"""Every decoder of bytes from outside returns a value or its package's error, for every input (`fuzz/decoders`)."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.decoders import DECODERS
from gatewayd.cloud.rest.client import CloudClient, Credentials
from gatewayd.cloud.rest.transport import Transport
from gatewayd.model.errors import CloudError
from tests.common.rest_calls import CALLS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(("7", "id", "gw")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LARGE = (
    b"[" * 3000,
    b'{"msg":' * 3000,
    b'{"msg":{"sn":' + b"1" * 5000,
    b'"' + b"\\ud800" + b'"',
    b"\xff\xfe\x00",
    b"-0",
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """`value` with `other` at `path`."""
    if not path:
        return other
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other
    return changed


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A valid input with a value of another type in it where it is JSON, and with bytes replaced or cut off."""
    data = draw(st.sampled_from(seeds))
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    else:
        for _ in range(draw(st.integers(0, 2))):
            value = replaced(value, draw(st.sampled_from(places(value))), draw(JSON))
        data = msgspec.json.encode(value)
    if draw(st.booleans()) and data:
        start = draw(st.integers(0, len(data) - 1))
        data = data[:start] + draw(st.binary(max_size=4)) + data[start + draw(st.integers(0, 4)) :]
    return data


@pytest.mark.parametrize("name", DECODERS)
@settings(deadline=None, max_examples=100)
@given(choice=st.data())
def test_decoder_returns_a_value_or_its_error_for_every_input(name: str, choice: st.DataObject) -> None:
    decoder = DECODERS[name]
    kinds = damaged(decoder.seeds) | JSON.map(msgspec.json.encode) | st.binary(max_size=200) | st.sampled_from(LARGE)
    decoder.run(choice.draw(kinds))


class Answering(Transport):
    """Stands for the transport: every call succeeds with the same `msg`."""

    def __init__(self, msg: Any) -> None:
        self._msg = msg

    async def call(self, *_: Any, **__: Any) -> Any:
        return copy.deepcopy(self._msg)

    async def fetch_image(self, *_: Any, **__: Any) -> bytes:
        return b""

    def url(self, *_: Any) -> str:
        return "http://cloud"


SECTION_ANSWERS = tuple(
    msgspec.json.encode(msg)
    for msg in (
        {"id": 1, "username": "a", "token": "0123", "name": "x", "version": "1", "category": 1, "content": "x"},
        {"data": {"id": 1, "uuid": "00158d0000d04700", "category": "gw", "param": {}, "perm": "3", "timestamp": 1}},
        {"data": [{"id": 1, "title": "x"}], "page": {"total_page": 1, "total_pieces": 1, "current_page": 1}},
        [{"seq": "1", "status_sub": 200020, "desc_sub": "", "data": {"id": 1}}],
    )
)


@settings(deadline=None, max_examples=200)
@given(answer=damaged(SECTION_ANSWERS), data=st.data())
async def test_call_of_any_section_returns_a_value_or_a_cloud_error(answer: bytes, data: st.DataObject) -> None:
    try:
        msg = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    client = CloudClient(Answering(msg), Credentials("a", "b"))
    name = data.draw(st.sampled_from(sorted(CALLS)))
    try:
        await CALLS[name](client)
    except CloudError:
        return
