"""One harness a decoder: a function that hands it any bytes, and raises only where the decoder breaks its contract.

`tests/test_decoders.py` runs them with Hypothesis in each test run, `python -m fuzz` with atheris for as long as it is
given.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewayd.admin.server import AdminServer, Method
from gatewayd.admin.wire import AdminReply
from gatewayd.cloud.access_control import grants_from, usernames_by_id
from gatewayd.cloud.mqtt.envelope import find_sn, read_envelope, write_envelope
from gatewayd.cloud.mqtt.request_decoder import decode_request
from gatewayd.cloud.mqtt.topics import Topic, read_topic, request_filters
from gatewayd.cloud.rest.accounts import UserProfile
from gatewayd.cloud.rest.authorizations import Authorization
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.errors import UnreadableAnswerError
from gatewayd.cloud.rest.members import Member
from gatewayd.cloud.rest.objects import ApiObject, decode_object, encode_object
from gatewayd.cloud.rest.records import decode_record
from gatewayd.cloud.rest.retry_after import requested_pause_s
from gatewayd.cloud.rest.transport import HttpAnswer, decode_msg
from gatewayd.cloud.sync.merge import has_household_change, is_cloud_outdated, merge
from gatewayd.config import from_mapping, parse_toml
from gatewayd.firmware.versions import FirmwareVersion
from gatewayd.model.api_time import format_api_time, parse_api_time
from gatewayd.model.errors import CloudError, ConfigError, GatewayError, MalformedError, StoreError
from gatewayd.model.ids import Category, ExecType, Uuid, is_topic_level
from gatewayd.model.outbox_items import AnswerItem, MessageItem, NoticeItem, OutboxItem, RecordItem
from gatewayd.model.record import PARAM_OF, Channel, LockParam, Record, SwitchParam
from gatewayd.model.record_wire import from_wire, to_wire
from gatewayd.model.status import OperationStatus
from gatewayd.provisioning.client.datagrams import decode_message, encode_discover
from gatewayd.provisioning.datagrams import JoinNetwork, decode
from gatewayd.provisioning.seal import GatewayKey, Nonces, PassphraseOpener
from gatewayd.provisioning.ssid import SsidTable, to_text
from gatewayd.store.cipher import Cipher
from gatewayd.store.codec import Codec
from gatewayd.zigbee.backup import parse_backup
from gatewayd.zigbee.catalogue import Catalogue, Signature

Harness = Callable[[bytes], None]
T = TypeVar("T")

_ZONE: Final = ZoneInfo("Asia/Shanghai")
_UUID: Final = Uuid("00158d0000d04700")
_encode: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Decoder:
    """A harness, and valid inputs to begin with."""

    run: Harness
    seeds: tuple[bytes, ...]


def _mqtt_topic(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        topic = read_topic(text)
    except MalformedError:
        return
    assert str(topic) == text
    assert is_topic_level(topic.user)
    request_filters(topic.user, topic.category, topic.uuid, wildcards=False)


def _mqtt_envelope(data: bytes) -> None:
    sn = find_sn(data)
    if sn is not None:
        msgspec.json.decode(write_envelope(OperationStatus.BAD_PARAMETERS, None, sn), type=dict[str, msgspec.Raw])
    try:
        envelope = read_envelope(data)
    except MalformedError:
        return
    assert not envelope.is_request or envelope.sn is None or sn is not None
    assert not isinstance(envelope.sn, str) or 0 < len(envelope.sn) <= 128


_TOPICS: Final = tuple(
    Topic("18900000001", category, _UUID, exectype) for category, exectype in product(Category, ExecType)
)


def _mqtt_request(data: bytes) -> None:
    try:
        envelope = read_envelope(data)
    except MalformedError:
        return
    for topic in _TOPICS:
        with suppress(GatewayError):
            request = decode_request(topic, envelope, data, _ZONE)
            assert request.sent_at is None or request.sent_at.tzinfo is UTC


def _api_time(data: bytes) -> None:
    try:
        moment = parse_api_time(data.decode("utf-8", "replace"), _ZONE)
    except ValueError:
        return
    with suppress(OverflowError):  # the last hours of the year 9999, which no record of ours has
        format_api_time(moment, _ZONE)


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_CODEC: Final = Codec(Cipher(bytes(32)))


def _record(data: bytes) -> None:
    try:
        record = decode_record(_json(data), "here")
    except UnreadableAnswerError:
        return
    again = from_wire(msgspec.json.decode(_encode(to_wire(record))))
    assert _encode(to_wire(again)) == _encode(to_wire(record))
    stored = _CODEC.decode_record(_CODEC.encode_record(record))
    assert _encode(to_wire(stored)) == _encode(to_wire(record))
    repr(record)


_LOCAL: Final = tuple(
    Record(
        uuid=_UUID,
        category=category,
        param=SwitchParam(channel=(Channel(id=1), Channel(id=2))) if category is Category.SWITCH else kind(),
    )
    for category, kind in PARAM_OF.items()
)


def _merge(data: bytes) -> None:
    remote_json = _json(data)
    try:
        remote = decode_record(remote_json, "here")
    except UnreadableAnswerError:
        return
    for local in _LOCAL:
        merged = merge(local, remote, remote_json)
        is_cloud_outdated(merged, remote_json)
        has_household_change(local, merged)
        _CODEC.decode_record(_CODEC.encode_record(merged))


def _rest_answer(data: bytes) -> None:
    for name in ("records.list", "records.create", "accounts.log_in", "service.timestamp"):
        for status in (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            with suppress(CloudError):
                decode_msg(ENDPOINTS[name], name, HttpAnswer(status, "application/json", data))


def _kinds(base: type[ApiObject]) -> tuple[type[ApiObject], ...]:
    return tuple(base.__subclasses__())


def _rest_objects(data: bytes) -> None:
    value = _json(data)
    for kind in _kinds(ApiObject):
        try:
            object_ = decode_object(value, kind, "here")
        except UnreadableAnswerError:
            continue
        repr(object_)
        decode_object(msgspec.json.decode(_encode(encode_object(object_))), kind, "the cache")
        match object_:
            case Member():
                with suppress(UnreadableAnswerError):
                    object_.decode_keys()
                assert all(map(is_topic_level, usernames_by_id([object_], None).values()))
            case UserProfile():
                assert all(map(is_topic_level, usernames_by_id([], object_).values()))
            case Authorization():
                list(grants_from([object_], {1: "18900000002"}))


def _retry_after(data: bytes) -> None:
    text, _, date = data.decode("utf-8", "replace").partition("\n")
    pause_s = requested_pause_s(text, date)
    assert pause_s is None or pause_s >= 0


_OPENER: Final = PassphraseOpener(
    GatewayKey(X25519PrivateKey.from_private_bytes(bytes(range(32)))), Nonces(), sealed_only=False
)


def _datagram(data: bytes) -> None:
    with suppress(MalformedError):
        request = decode(data)
        if isinstance(request, JoinNetwork):
            credentials = _OPENER.open(request, SsidTable([b"cafe"]), _UUID, 0.0)
            assert 1 <= len(credentials.ssid) <= 32


def _datagram_of_gateway(data: bytes) -> None:
    with suppress(MalformedError):
        decode_message(data)


def _ssid(data: bytes) -> None:
    table = SsidTable(data.split(b"\0"))
    for ssid in data.split(b"\0"):
        if 1 <= len(ssid) <= 32:
            assert table.to_bytes(table.to_text(ssid)) == ssid
        to_text(ssid)
    with suppress(MalformedError):
        table.to_bytes(data.decode("utf-8", "surrogateescape"))


def _config(data: bytes) -> None:
    try:
        raw = parse_toml(data.decode("utf-8", "replace"))
    except ValueError:
        return
    with suppress(ConfigError):
        settings = from_mapping(raw, {})
        assert is_topic_level(settings.owner)
    with suppress(ConfigError):
        from_mapping({}, {"GATEWAYD_CLOUD_USERNAME": data.decode("utf-8", "replace"), "GATEWAYD_MQTT_PORT": "1"})


def _catalogue(data: bytes) -> None:
    try:
        catalogue = Catalogue.parse(data.decode("utf-8", "replace"))
    except ConfigError:
        return
    for row in catalogue.rows:
        signature = Signature({1: frozenset(row.clusters), 2: frozenset({6})}, row.manufacturer, row.model)
        assert catalogue.match(signature) is not None


def _backup(data: bytes) -> None:
    with suppress(MalformedError):
        parse_backup(_json(data))


class _Params(msgspec.Struct):
    uuid: str = ""
    seconds: int = 60


async def _echo(params: _Params) -> object:
    return params.uuid


def _admin_line(data: bytes) -> None:
    reply = _finished(_ADMIN.reply(data))
    assert reply.endswith(b"\n")
    msgspec.json.decode(reply, type=AdminReply)


def _stored_record(data: bytes) -> None:
    with suppress(StoreError):
        _CODEC.decode_record(data)


def _stored_item(data: bytes) -> None:
    with suppress(StoreError):
        _CODEC.encode_item(_CODEC.decode_item(data))


def _firmware_version(data: bytes) -> None:
    with suppress(ValueError):
        version = FirmwareVersion(data.decode("utf-8", "replace"))
        assert FirmwareVersion(str(version)) == version
        assert not version < FirmwareVersion("0-a") or version < FirmwareVersion("0")


def _finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


_ADMIN: Final = AdminServer(Path("/nowhere"), {"show": Method(_Params, _echo)})

_LOCK_RECORD: Final = Record(uuid=_UUID, category=Category.LOCK, id=7, param=LockParam(temp_pass="482913"))
_SWITCH_RECORD: Final = Record(
    uuid=_UUID, category=Category.SWITCH, id=8, param=SwitchParam(channel=(Channel(id=1, title="灯"),))
)
_RECORDS: Final = tuple(_encode(to_wire(one)) for one in (*_LOCAL, _LOCK_RECORD, _SWITCH_RECORD))


def _request(**msg: Any) -> bytes:
    return _encode({"msg": {"sn": "1", "uuid": _UUID, **msg}, "status": 200503, "desc": "请求控制设备"})


_REQUESTS: Final = (
    _request(param={"operate": 1, "operate_channel_id": 1}),
    _request(param={"operate": 1, "pass": "482913"}, create_time="2026-05-01 12:00:00", update_time="2026-05-01 12:00"),
    _request(param={"keytype": 0, "keyid": 3, "key_name": "妈妈", "pass": "482913", "member_id": 4}),
    _request(param={"duration": 60}),
    _request(title="灯", param={"room_id": 3, "lowpower_limit": 20}),
    _encode({"msg": {"sn": 12}, "status": "200503", "desc": None}),
)

_BACKUP: Final = {
    "metadata": {
        "format": "zigpy/open-coordinator-backup",
        "version": 1,
        "source": "zigpy@2.4.0",
        "internal": {"creation_time": "2026-05-01T12:00:00+00:00", "node": {"ieee": "00:15:8d:00:00:d0:47:00"}},
    },
    "coordinator_ieee": "00158d0000d04700",
    "pan_id": "1a62",
    "extended_pan_id": "dddddddddddddddd",
    "nwk_update_id": 0,
    "security_level": 5,
    "channel": 15,
    "channel_mask": [15],
    "network_key": {"key": "00" * 16, "sequence_number": 0, "frame_counter": 0},
    "devices": [
        {
            "nwk_address": "abcd",
            "ieee_address": "00158d0002a00001",
            "link_key": {"key": "00" * 16, "rx_counter": 0, "tx_counter": 0},
            "is_child": True,
        }
    ],
}

_OBJECTS: Final = (
    {"id": 1, "user_id": 2, "title": "妈妈", "username": "18900000002", "keys": [{"id": 3, "key_type": 0}]},
    {"id": 1, "info_id": 2, "authorized_id": 1, "perm": "7"},
    {"id": 1, "username": "18900000001", "token": "0123"},
    {"version": "1.2", "filename": "/a", "checksum": "00", "device_type": 2},
    {"category": 2, "content": "x", "superior": 4, "key_number": 3, "type_id": "a", "name": "b"},
)

_ITEMS: Final[tuple[OutboxItem, ...]] = (
    RecordItem(uuid=_UUID),
    MessageItem(uuid=_UUID, message_type="lock", flag="a", level=1, occur_time=""),
    AnswerItem(
        uuid=_UUID,
        user="a",
        category=Category.LOCK,
        exectype=ExecType.CONTROL,
        sn="1",
        status="CONTROLLED",
        record=_LOCK_RECORD,
    ),
    NoticeItem(
        uuid=_UUID,
        category=Category.LOCK,
        exectype=ExecType.UPDATE,
        sn="1",
        status="UNLOCK_EVENT",
        record=_LOCK_RECORD,
    ),
)

DECODERS: Final[Mapping[str, Decoder]] = MappingProxyType(
    {
        "mqtt_topic": Decoder(_mqtt_topic, (b"18900000001/lock/00158d0003b00001/control", b"a/gw/0/+")),
        "mqtt_envelope": Decoder(_mqtt_envelope, (*_REQUESTS, b'{"msg":{"sn":"7","x":')),
        "mqtt_request": Decoder(_mqtt_request, _REQUESTS),
        "api_time": Decoder(_api_time, (b"2018-04-12 12:01:02", b"0001-01-01 00:00", b"9999-12-31 23:59:59")),
        "record": Decoder(_record, _RECORDS),
        "merge": Decoder(_merge, _RECORDS),
        "rest_answer": Decoder(
            _rest_answer,
            (b'{"msg":{"data":{"timestamp":1}},"status":200091,"desc":""}', b'{"status":"400000","msg":{"err":"x"}}'),
        ),
        "rest_objects": Decoder(_rest_objects, tuple(map(_encode, _OBJECTS))),
        "retry_after": Decoder(
            _retry_after, (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT\nWed, 21 Oct 2026 07:27:00 GMT", b"-1")
        ),
        "datagram": Decoder(
            _datagram,
            (
                b'{"status":200552}',
                b'{"status":200554,"data":{"auth":3,"encry":3,"ssid":"cafe","pwd":"nopass-nopass"}}',
                b'{"status":200554,"data":{"auth":0,"encry":0,"ssid":"\\\\xff","pwd":{"nonce":"AAAA","sealed":"AAAA"}}}',
                encode_discover("7"),
            ),
        ),
        "datagram_of_gateway": Decoder(
            _datagram_of_gateway,
            (
                b'{"status":200553,"data":[{"auth":3,"encry":3,"ssid":"cafe"}],"signals":[70]}',
                b'{"status":400515,"desc":"x","sn":7}',
                b'{"status":200601,"msg":{"uuid":"00158d0000d04700","category":"gw","param":{"ip":"192.0.2.1"}},"nonce":"AA=="}',
            ),
        ),
        "ssid": Decoder(_ssid, (b"cafe\0caf\xc3\xa9", "不要上我".encode("gb18030"), b"\\xff\\x41")),
        "config": Decoder(
            _config,
            (
                b'[cloud]\nusername = "a"\nowner = "b"\n[mqtt]\nport = 1883\ntls = true\n',
                b'[gateway]\ntimezone = "Asia/Shanghai"\n[udp]\ninterfaces = ["lo"]\n[radio]\nchannel = 5\n',
            ),
        ),
        "catalogue": Decoder(
            _catalogue,
            (b'[[device]]\nclusters = [6]\ndriver = "switch"\ntype_sub = "AA03SW{channels}K"\ntitle = "x"\n',),
        ),
        "backup": Decoder(_backup, (_encode(_BACKUP),)),
        "admin_line": Decoder(_admin_line, (b'{"method":"show","params":{"uuid":"a"}}\n', b"hello\n")),
        "stored_record": Decoder(_stored_record, tuple(map(_CODEC.encode_record, (_LOCK_RECORD, _SWITCH_RECORD)))),
        "stored_item": Decoder(_stored_item, tuple(map(_CODEC.encode_item, _ITEMS))),
        "firmware_version": Decoder(_firmware_version, (b"1.2.3", b"v1.10-rc1")),
    }
)
"""Every decoder by its name."""
