"""Requests are decoded, or refused with place and reason; answers are encoded as §10 and §13 show them."""

import os
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.model.errors import MalformedError
from gatewayd.model.record import GatewayParam
from gatewayd.model.wifi import Auth, Encryption, WifiNetwork
from gatewayd.provisioning.client.datagrams import (
    Announcement,
    NetworkEntry,
    NetworkList,
    decode_message,
    encode_join_network,
)
from gatewayd.provisioning.datagrams import (
    MAX_LIST_BYTES,
    MAX_REQUEST_BYTES,
    Discover,
    JoinNetwork,
    ListNetworks,
    MalformedJoinError,
    SealedPassphrase,
    decode,
    encode_announcement,
    encode_join_failed,
    encode_list_failed,
    encode_network_list,
)
from gatewayd.provisioning.ssid import SsidTable
from tests.common.api_text import examples
from tests.common.damaged_datagrams import damaged_datagrams
from tests.common.provisioning import GATEWAY, RECORD

DATAGRAMS = int(os.environ.get("FUZZ_DECODER", "20000"))
"""How many damaged datagrams are decoded; `make fuzz` sets a million."""

JOIN = '{"status":200554,"data":{"auth":3,"encry":3,"ssid":"不要上我","pwd":"nopass"}}'


@pytest.mark.parametrize(
    ("datagram", "request_"),
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
def test_request_is_decoded(datagram: str, request_: object) -> None:
    assert decode(datagram.encode()) == request_


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "truncated"),
        (b"hello", "malformed"),
        (b"\xff\xfe", "datagram: "),
        (b"[" * MAX_REQUEST_BYTES, "datagram: "),
        (b"[]", "Expected `object`"),
        (b"{}", "neither 200552 nor 200554"),
        (b'{"status":"200552"}', r"Expected `int \| null`, got `str` - at `\$.status`"),
        (b'{"msg":{"category":"lock"},"status":200501}', "nor a msg of category gw"),
        (b'{"msg":{"category":"gw"},"status":200601}', "sent by gateways"),
        (b'{"status":200553,"data":[]}', "neither 200552 nor 200554"),
        (b'{"status":200552' + b" " * MAX_REQUEST_BYTES + b"}", f"at most {MAX_REQUEST_BYTES} are read"),
    ],
)
def test_datagram_that_is_no_request_is_refused_with_reason(datagram: bytes, reason: str) -> None:
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
def test_malformed_join_is_reported_as_one_with_the_place(data: str, reason: str) -> None:
    with pytest.raises(MalformedJoinError, match=reason):
        decode(f'{{"status":200554,"data":{data}}}'.encode())


def test_full_width_comma_of_the_printed_api_is_refused() -> None:
    with pytest.raises(MalformedError, match="datagram"):
        decode(JOIN.replace('200554,"', '200554，"').encode())


def test_sealed_passphrase_is_decoded_as_encoded() -> None:
    sealed = SealedPassphrase(bytes(16), b"box")
    request = decode(encode_join_network(GATEWAY, "7", NetworkEntry("cafe", Auth.WPA2PSK, Encryption.AES), sealed))
    assert request == JoinNetwork("cafe", Auth.WPA2PSK, Encryption.AES, sealed, GATEWAY, "7")


def test_repr_of_join_does_not_contain_the_passphrase() -> None:
    assert "nopass" not in repr(decode(JOIN.encode()))


def test_announcement_contains_the_record_without_secrets() -> None:
    param = GatewayParam(access_pass="sesame", lng="113.9|22.5")
    record = msgspec.structs.replace(
        RECORD, param=param, extra={"token": "sesame"}, param_extra={"wifi_pass": "sesame"}
    )
    datagram = encode_announcement(
        record, sn="1", ip="10.7.0.1", access_ssid="不要上我", key=b"k" * 32, nonce=b"n" * 16
    )
    wire = msgspec.json.decode(datagram)
    assert (wire["status"], wire["desc"]) == (200601, "Available device.")
    assert wire["msg"]["uuid"] == GATEWAY
    assert wire["msg"]["type_sub"] == wire["msg"]["type"] == "AA01GW-UG"
    assert wire["msg"]["param"]["ip"] == "10.7.0.1"
    assert b"sesame" not in datagram
    assert b"113.9" not in datagram
    assert len(datagram) <= MAX_LIST_BYTES
    announcement = decode_message(datagram)
    assert isinstance(announcement, Announcement)
    assert (announcement.uuid, announcement.access_ssid, announcement.key) == (GATEWAY, "不要上我", b"k" * 32)


SHOWN = {example.section: example.value for example in examples()}
"""The example of each section of the API that has one."""


def test_requests_of_the_api_text_are_decoded() -> None:
    assert decode(msgspec.json.encode(SHOWN["13.1"])) == ListNetworks()
    join = JoinNetwork("不要上我", Auth.WPA2PSK, Encryption.AES, "nopass")
    assert decode(msgspec.json.encode(SHOWN["13.4"])) == join
    assert decode(msgspec.json.encode({**SHOWN["10."], "status": 200501})) == Discover("serial number")


def test_answers_are_those_of_the_api_text_with_extensions() -> None:
    networks = [WifiNetwork("不要上我".encode(), Auth.WPA2PSK, Encryption.AES, 88)]
    for section, answer, extensions in (
        ("13.2", encode_network_list(networks, SsidTable()), {"signals": [88]}),
        ("13.3", encode_list_failed(), {}),
        ("13.5", encode_join_failed("why"), {"desc": "why"}),
    ):
        assert msgspec.json.decode(answer) == SHOWN[section] | extensions


def test_announcement_has_every_key_of_the_api_text() -> None:
    shown = SHOWN["10."]
    encoded = msgspec.json.decode(
        encode_announcement(RECORD, sn="1", ip="10.7.0.1", access_ssid=None, key=b"", nonce=b"")
    )
    assert shown.keys() <= encoded.keys()
    assert shown["msg"].keys() <= encoded["msg"].keys()
    assert shown["msg"]["param"].keys() <= encoded["msg"]["param"].keys()


def test_list_keeps_its_order_and_ends_where_the_datagram_is_full() -> None:
    networks = [WifiNetwork(f"网络 {number:03}".encode(), Auth.WPA2PSK, Encryption.AES, 99) for number in range(200)]
    ssids = SsidTable(network.ssid for network in networks)
    datagram = encode_network_list(networks, ssids)
    assert MAX_LIST_BYTES - 60 < len(datagram) <= MAX_LIST_BYTES
    message = decode_message(datagram)
    assert isinstance(message, NetworkList)
    listed = [network.ssid for network in message.networks]
    assert listed == [f"网络 {number:03}" for number in range(len(listed))]


def decode_or_refuse(datagram: bytes) -> None:
    """Both decoders return a message or raise MalformedError with a reason; any other error fails the test."""
    for decoder in (decode, decode_message):
        try:
            assert decoder(datagram) is not None
        except MalformedError as error:
            assert str(error)  # noqa: PT017  (both outcomes are right)


def test_no_damaged_datagram_breaks_the_decoders() -> None:
    for datagram in damaged_datagrams(random.Random(4), DATAGRAMS):
        decode_or_refuse(datagram)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=MAX_REQUEST_BYTES + 1))
def test_arbitrary_bytes_do_not_break_the_decoders(datagram: bytes) -> None:
    decode_or_refuse(datagram)


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
_ALMOST_VALID = st.fixed_dictionaries(
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
@given(_ALMOST_VALID)
def test_arbitrary_json_does_not_break_the_decoders(message: object) -> None:
    decode_or_refuse(msgspec.json.encode(message))
