"""Decodes a message into a Request: one decoder a category and exectype, with every field checked. Pure.

The vendor's spellings and numbers end here: what leaves is an action of `model.request`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from hashlib import blake2b
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, field

from gatewayd.cloud.mqtt.envelope import Envelope
from gatewayd.cloud.mqtt.topics import Topic
from gatewayd.model.api_time import parse_api_time
from gatewayd.model.errors import MalformedError, RefusedError
from gatewayd.model.field_ownership import HOUSEHOLD_FIELDS, household_param_fields
from gatewayd.model.ids import Category, ExecType
from gatewayd.model.lock import KeyType
from gatewayd.model.record import PARAM_OF
from gatewayd.model.request import (
    Action,
    AddKey,
    CurtainOperation,
    LockOperation,
    OperateCurtain,
    OperateLock,
    OperateSwitch,
    PermitJoin,
    Query,
    RemoveDevice,
    RemoveKey,
    Request,
    SwitchOperation,
    UpdateRecord,
)
from gatewayd.model.status import OperationStatus

Msg = Mapping[str, Any]

_OPERATIONS: Final[Mapping[Category, type[SwitchOperation | LockOperation | CurtainOperation]]] = MappingProxyType(
    {
        Category.SWITCH: SwitchOperation,
        Category.SOCKET: SwitchOperation,
        Category.LOCK: LockOperation,
        Category.CURTAIN: CurtainOperation,
    }
)
"""What the number in `param.operate` means, by category; other categories cannot be operated."""


_EXECTYPES: Final[Mapping[OperationStatus, frozenset[ExecType]]] = MappingProxyType(
    {
        OperationStatus.CREATE_REQUESTED: frozenset({ExecType.CREATE}),
        OperationStatus.JOINING_REQUESTED: frozenset({ExecType.CREATE}),
        OperationStatus.UPDATE_REQUESTED: frozenset({ExecType.UPDATE, ExecType.SET}),
        OperationStatus.SET_REQUESTED: frozenset({ExecType.UPDATE, ExecType.SET}),
        OperationStatus.CONTROL_REQUESTED: frozenset({ExecType.CONTROL}),
        OperationStatus.DELETE_REQUESTED: frozenset({ExecType.DELETE}),
        OperationStatus.STATE_REQUESTED: frozenset(),
    }
)
"""What a 请求… status may stand on, beside `query`, which changes nothing.

The topic says what is asked (§4.1): a status that asks for something else contradicts it, every other does not.
"""


class _PermitJoinParam(msgspec.Struct):
    duration: Annotated[int, Meta(ge=0, le=254)] = 60


class _OperateParam(msgspec.Struct):
    operate: int
    channel: Annotated[int, Meta(ge=0, le=255)] = field(default=0, name="operate_channel_id")
    position: Annotated[int, Meta(ge=0, le=100)] | None = None
    pin: str | None = field(default=None, name="pass")


class _AddKeyParam(msgspec.Struct):
    key_type: KeyType = field(default=KeyType.PASSWORD, name="keytype")
    slot: Annotated[int, Meta(ge=1, le=65534)] | None = field(default=None, name="keyid")
    name: str | None = field(default=None, name="key_name")
    pin: str | None = field(default=None, name="pass")
    member_id: Annotated[int, Meta(ge=0, lt=1 << 53)] | None = None


class _RemoveKeyParam(msgspec.Struct, forbid_unknown_fields=True):
    slot: Annotated[int, Meta(ge=1, le=65534)] = field(name="keyid")


def decode_request(topic: Topic, envelope: Envelope, payload: bytes, zone: tzinfo) -> Request:
    """Decode the request in `envelope`, which is the decoded `payload`. `zone` is that of the API's times.

    Raises MalformedError or RefusedError; its `status` is the answer.
    """
    sn = envelope.sn
    if sn is None:
        raise MalformedError("msg.sn: missing; a request without a serial number cannot be answered")
    for name, expected in (("uuid", topic.uuid), ("category", topic.category)):
        if envelope.msg.get(name, expected) != expected:
            raise MalformedError(f"msg.{name}: found {envelope.msg[name]!r}; the topic says {expected!r}")
    meant = None if envelope.meaning is None else _EXECTYPES.get(envelope.meaning)
    if meant is not None and topic.exectype not in meant | {ExecType.QUERY}:
        raise MalformedError(f"desc: found {envelope.desc}; the topic says {topic.exectype}")
    param = {} if (given := envelope.msg.get("param")) is None else given
    if not isinstance(param, dict):
        raise MalformedError(f"msg.param: found {type(param).__name__}; it is an object")
    decoder = _DECODERS.get((topic.category, topic.exectype)) or _DECODERS.get((None, topic.exectype))
    if decoder is None:
        raise RefusedError(f"a {topic.category} cannot be asked to {topic.exectype}", OperationStatus.BAD_PARAMETERS)
    action = decoder(topic.category, envelope.msg, param)
    return Request(
        topic.user,
        topic.category,
        topic.uuid,
        topic.exectype,
        sn,
        action,
        _sent_at(envelope.msg, zone),
        identity=request_identity(topic, payload),
    )


def is_sync_request(topic: Topic, envelope: Envelope) -> bool:
    """Whether this is an empty 请求更新信息 for the gateway: it names no field, and means "sync now"."""
    fields = envelope.msg.keys() - {"sn", "uuid", "category", "create_time", "update_time"}
    return (
        topic.category is Category.GATEWAY
        and topic.exectype is ExecType.UPDATE
        and envelope.meaning is OperationStatus.UPDATE_REQUESTED
        and not any(envelope.msg[name] for name in fields)
    )


def request_identity(topic: Topic, payload: bytes) -> bytes:
    """The identity of a request: 16 bytes of BLAKE2b over topic and payload, the `sn` in it included."""
    return blake2b(f"{topic}\0".encode() + payload, digest_size=16).digest()


def _sent_at(msg: Msg, zone: tzinfo) -> datetime | None:
    """When the requester sent it: the later of the two stamps, since a record's create_time may be old."""
    stamps = []
    for name in ("create_time", "update_time"):
        text = msg.get(name)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise RefusedError(f"msg.{name}: {type(text).__name__}; it is text", OperationStatus.BAD_TIME_FORMAT)
        try:
            stamps.append(parse_api_time(text, zone))
        except ValueError as error:
            raise RefusedError(f"msg.{name}: found {text[:32]!r}; {error}", OperationStatus.BAD_TIME_FORMAT) from error
    return max(stamps, default=None)


def _permit_join(_category: Category, _msg: Msg, param: Msg) -> Action:
    return PermitJoin(_convert(param, _PermitJoinParam).duration)


def _operate(category: Category, _msg: Msg, param: Msg) -> Action:
    fields = _convert(param, _OperateParam)
    pin = _pin(fields.pin)
    match _operation(category, fields.operate):
        case SwitchOperation() as operation:
            return OperateSwitch(operation, fields.channel)
        case LockOperation() as operation:
            return OperateLock(operation, pin)
        case CurtainOperation() as operation:
            return OperateCurtain(operation, fields.position)


def _operation(category: Category, operate: int) -> SwitchOperation | LockOperation | CurtainOperation:
    kind = _OPERATIONS.get(category)
    if kind is None:
        raise MalformedError(f"msg.param.operate: found {operate}; a {category} takes []")
    try:
        return kind(operate)
    except ValueError as error:
        allowed = [operation.value for operation in kind]
        raise MalformedError(f"msg.param.operate: found {operate}; a {category} takes {allowed}") from error


def _query(_category: Category, _msg: Msg, _param: Msg) -> Action:
    return Query()


def _remove_device(_category: Category, _msg: Msg, _param: Msg) -> Action:
    return RemoveDevice()


def _remove_key(category: Category, msg: Msg, param: Msg) -> Action:
    """An empty `param` means the lock itself; anything in it must name a key: a mistyped name removes no lock."""
    if not param:
        return _remove_device(category, msg, param)
    if {"keyid", "key_id"} <= param.keys():
        raise MalformedError("msg.param: keyid and key_id are one; give either")
    named = {"keyid" if name == "key_id" else name: value for name, value in param.items()}
    return RemoveKey(_convert(named, _RemoveKeyParam).slot)


def _add_key(_category: Category, msg: Msg, param: Msg) -> Action:
    fields = _convert(param, _AddKeyParam)
    name = fields.name or msg.get("title")
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        raise MalformedError("msg.param.key_name: a key has a name of 1 to 64 characters")
    return AddKey(fields.key_type, name, fields.slot, _pin(fields.pin), fields.member_id)


def _update_record(category: Category, msg: Msg, param: Msg) -> Action:
    header = {name: msg[name] for name in HOUSEHOLD_FIELDS & msg.keys()}
    wanted = {name: param[name] for name in household_param_fields(category) & param.keys()}
    if not header and not wanted:
        raise MalformedError("msg: nothing in it that the household can change")
    for name, value in header.items():
        if not isinstance(value, str) or not len(value) <= 64:
            raise MalformedError(f"msg.{name}: found {value!r}; at most 64 characters of text")
    kind = PARAM_OF[category]
    _convert(wanted, kind)
    names = {item.encode_name: item.name for item in msgspec.structs.fields(kind)}
    return UpdateRecord(header, {names[name]: value for name, value in wanted.items()})


_DECODERS: Final[Mapping[tuple[Category | None, ExecType], Callable[[Category, Msg, Msg], Action]]] = MappingProxyType(
    {
        (Category.GATEWAY, ExecType.CREATE): _permit_join,
        (Category.LOCK, ExecType.CREATE): _add_key,
        (Category.LOCK, ExecType.DELETE): _remove_key,
        (None, ExecType.DELETE): _remove_device,
        (None, ExecType.QUERY): _query,
        (None, ExecType.CONTROL): _operate,
        (None, ExecType.UPDATE): _update_record,
        (None, ExecType.SET): _update_record,
    }
)


def _pin(text: str | None) -> str | None:
    if text is not None and not (4 <= len(text) <= 10 and text.isascii() and text.isdecimal()):
        raise RefusedError("msg.param.pass: 4 to 10 digits", OperationStatus.BAD_PASSWORD_FORMAT)
    return text


T = TypeVar("T")


def _convert(param: Msg, kind: type[T]) -> T:
    try:
        return msgspec.convert(param, kind)
    except msgspec.ValidationError as error:
        raise MalformedError(f"msg.param: {error}") from error
