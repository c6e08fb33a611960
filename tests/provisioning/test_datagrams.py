"""What phones write is read, or refused with the place and the reason; what gateways write is §10's and §13's."""

import os
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.model.errors import MalformedError
from gatewayd.model.record import GatewayParam
from gatewayd.model.wifi import Auth, Encryption, WifiNetwork
from gatewayd.provisioning.client.datagrams import Announced, Listed, Offer, decode_answer, question_join
from gatewayd.provisioning.datagrams import (
    MAX_ANSWER,
    MAX_REQUEST,
    Discover,
    JoinNetwork,
    ListNetworks,
    MalformedJoinError,
    Sealed,
    announcement,
    decode,
    join_failed,
    list_failed,
    network_list,
)
from gatewayd.provisioning.ssid import SsidNames
from tests.common.api_text import examples
from tests.common.damaged_datagrams import datagrams
from tests.common.provisioning import GATEWAY, RECORD

DATAGRAMS = int(os.environ.get("FUZZ_DECODER", "20000"))
"""How many are made up by changing good ones; `make fuzz` says a million."""

JOIN = '{"status":200554,"data":{"auth":3,"encry":3,"ssid":"不要上我","pwd":"nopass"}}'


@pytest.mark.parametrize(
    ("datagram", "word"),
    [
        ('{"status":200552}', ListNetworks()),
        ('{"status":200552,"data":null,"future":[1]}', ListNetworks()),
        (JOIN, JoinNetwork("不要上我", Auth.WPA2PSK, Encryption.AES, "nopass")),
        (
            '{"status":200554,"data":{"auth":0,"encry":0,"ssid":"cafe"}}',
            JoinNetwork("cafe", Auth.OPEN, Encryption.NONE, ""),
        ),
        ('{"msg":{"category":"gw","sn":7},"status":200501,"desc":"关闭"}', Discover("7")),
        ('{"msg":{"category":"gw"}}', Discover(None)),
    ],
)
def test_a_request_is_read(datagram: str, word: object) -> None:
    assert decode(datagram.encode()) == word


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "truncated"),
        (b"hello", "malformed"),
        (b"\xff\xfe", "datagram: "),
        (b"[" * MAX_REQUEST, "datagram: "),
        (b"[]", "Expected `object`"),
        (b"{}", "neither 200552 nor 200554"),
        (b'{"status":"200552"}', r"Expected `int \| null`, got `str` - at `\$.status`"),
        (b'{"msg":{"category":"lock"},"status":200501}', "nor a msg of category gw"),
        (b'{"msg":{"category":"gw"},"status":200601}', "said by gateways"),
        (b'{"status":200553,"data":[]}', "neither 200552 nor 200554"),
        (b'{"status":200552' + b" " * MAX_REQUEST + b"}", f"at most {MAX_REQUEST} are read"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        decode(datagram)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("null", "data: Expected `object`, got `null`"),
        ('{"auth":9,"encry":3,"ssid":"a"}', r"data: Invalid enum value 9 - at `\$.auth`"),
        ('{"auth":3,"encry":"AES","ssid":"a"}', r"at `\$.encry`"),
        ('{"auth":3,"encry":3,"ssid":""}', r"at `\$.ssid`"),
        ('{"auth":3,"encry":3}', "missing required field `ssid`"),
        ('{"auth":3,"encry":3,"ssid":"a","pwd":"%s"}' % ("x" * 65), r"at `\$.pwd`"),
        ('{"auth":3,"encry":3,"ssid":"a","pwd":{"nonce":"AA==","sealed":"no base64"}}', "data.pwd: not base64"),
    ],
)
def test_a_join_that_cannot_be_read_is_known_for_one(data: str, reason: str) -> None:
    with pytest.raises(MalformedJoinError, match=reason):
        decode(f'{{"status":200554,"data":{data}}}'.encode())


def test_the_full_width_comma_of_the_printed_api_is_no_json() -> None:
    with pytest.raises(MalformedError, match="datagram"):
        decode(JOIN.replace('200554,"', '200554，"').encode())


def test_a_sealed_passphrase_is_read_back() -> None:
    sealed = Sealed(bytes(16), b"box")
    word = decode(question_join(GATEWAY, "7", Offer("cafe", Auth.WPA2PSK, Encryption.AES), sealed))
    assert word == JoinNetwork("cafe", Auth.WPA2PSK, Encryption.AES, sealed, GATEWAY, "7")


def test_no_passphrase_is_in_a_repr() -> None:
    assert "nopass" not in repr(decode(JOIN.encode()))


def test_an_announcement_has_the_record_and_no_secret() -> None:
    param = GatewayParam(access_pass="sesame", lng="113.9|22.5")
    record = msgspec.structs.replace(
        RECORD, param=param, extra={"token": "sesame"}, param_extra={"wifi_pass": "sesame"}
    )
    datagram = announcement(record, sn="1", ip="10.7.0.1", access_ssid="不要上我", key=b"k" * 32, nonce=b"n" * 16)
    wire = msgspec.json.decode(datagram)
    assert (wire["status"], wire["desc"]) == (200601, "Available device.")
    assert wire["msg"]["uuid"] == GATEWAY
    assert wire["msg"]["type_sub"] == wire["msg"]["type"] == "AA01GW-UG"
    assert wire["msg"]["param"]["ip"] == "10.7.0.1"
    assert b"sesame" not in datagram
    assert b"113.9" not in datagram
    assert len(datagram) <= MAX_ANSWER
    said = decode_answer(datagram)
    assert isinstance(said, Announced)
    assert (said.uuid, said.access_ssid, said.key) == (GATEWAY, "不要上我", b"k" * 32)


SHOWN = {one.section: one.value for one in examples()}
"""What the API's text shows, by section; each of these has one example."""


def test_requests_are_read_as_the_api_shows_them() -> None:
    assert decode(msgspec.json.encode(SHOWN["13.1"])) == ListNetworks()
    join = JoinNetwork("不要上我", Auth.WPA2PSK, Encryption.AES, "nopass")
    assert decode(msgspec.json.encode(SHOWN["13.4"])) == join
    assert decode(msgspec.json.encode({**SHOWN["10."], "status": 200501})) == Discover("serial number")


def test_answers_hold_what_the_api_shows_and_beside_it_extensions_alone() -> None:
    networks = [WifiNetwork("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, 88)]
    for section, answer, extensions in (
        ("13.2", network_list(networks, SsidNames()), {"signals": [88]}),
        ("13.3", list_failed(), {}),
        ("13.5", join_failed("why"), {"desc": "why"}),
    ):
        assert msgspec.json.decode(answer) == SHOWN[section] | extensions


def test_an_announcement_has_every_key_that_the_api_shows() -> None:
    shown = SHOWN["10."]
    said = msgspec.json.decode(announcement(RECORD, sn="1", ip="10.7.0.1", access_ssid=None, key=b"", nonce=b""))
    assert shown.keys() <= said.keys()
    assert shown["msg"].keys() <= said["msg"].keys()
    assert shown["msg"]["param"].keys() <= said["msg"]["param"].keys()


def test_a_list_keeps_its_order_and_stops_where_the_datagram_is_full() -> None:
    networks = [WifiNetwork(f"网络 {place:03}".encode(), Auth.WPA2PSK, Encryption.AES, 99) for place in range(200)]
    names = SsidNames(network.ssid for network in networks)
    datagram = network_list(networks, names)
    assert MAX_ANSWER - 60 < len(datagram) <= MAX_ANSWER
    listed = decode_answer(datagram)
    assert isinstance(listed, Listed)
    shown = [offer.ssid for offer in listed.offers]
    assert shown == [f"网络 {place:03}" for place in range(len(shown))]


def read_or_refuse(datagram: bytes) -> None:
    """A word or a reason from both decoders; anything else breaks the test."""
    for read in (decode, decode_answer):
        try:
            assert read(datagram) is not None
        except MalformedError as error:
            assert str(error)  # noqa: PT017  (either outcome is right)


def test_no_damaged_datagram_breaks_the_decoders() -> None:
    for datagram in datagrams(random.Random(4), DATAGRAMS):
        read_or_refuse(datagram)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=MAX_REQUEST + 1))
def test_no_bytes_break_the_decoders(datagram: bytes) -> None:
    read_or_refuse(datagram)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(["gw", "cafe"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "data", "msg", "auth", "encry", "ssid", "pwd", "category", "nonce", "sealed"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
_NEARLY = st.fixed_dictionaries(
    {"status": st.sampled_from([200552, 200553, 200554, 200601, 400515])},
    optional={
        "data": _JSON
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("auth", "encry"), st.integers(0, 5)) | {"ssid": _JSON}),
        "msg": _JSON,
        "uuid": _JSON,
        "sn": _JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(_NEARLY)
def test_no_json_breaks_the_decoders(word: object) -> None:
    read_or_refuse(msgspec.json.encode(word))
