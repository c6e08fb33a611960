"""A phone's side of §10 and §13: questions encoded, answers decoded. Pure; the gateway's is `datagrams`."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

import msgspec

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category
from gatewayd.model.status import OperationStatus, UdpStatus
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.datagrams import Sealed

_MEANINGS: Final = {meaning.value[0]: meaning for meaning in UdpStatus}


@dataclass(frozen=True, slots=True)
class Announced:
    """200601. `key` and `nonce` are None from a gateway without the extension."""

    uuid: str
    sn: str
    title: str
    type_sub: str
    ver: str
    ip: str | None
    access_ssid: str | None
    key: bytes | None
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class Offer:
    """One network of a list, strongest first. `signal` in per cent, where the gateway says it."""

    ssid: str
    auth: Auth
    encryption: Encryption
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """200553."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """400514 (`status` WIFI_LIST_FAILED) or 400515, and why where the gateway says it."""

    status: UdpStatus
    reason: str
    sn: str | None


@dataclass(frozen=True, slots=True)
class FirmwareIsNewest:
    """200555."""


Heard = Announced | Listed | Refused | FirmwareIsNewest


class _Row(msgspec.Struct, frozen=True):
    auth: Auth
    encry: Encryption
    ssid: str


class _Param(msgspec.Struct, frozen=True):
    ip: str | None = None
    access_ssid: str | None = None


class _Msg(msgspec.Struct, frozen=True):
    uuid: str
    category: str
    sn: str | int | None = None
    title: str | None = None
    type_sub: str | None = None
    type: str | None = None
    ver: str | None = None
    param: _Param | None = None


class _AnswerDatagram(msgspec.Struct, frozen=True):
    status: int
    msg: _Msg | None = None
    data: tuple[_Row, ...] = ()
    signals: tuple[int, ...] = ()
    desc: str | None = None
    sn: str | int | None = None
    pubkey: str | None = None
    nonce: str | None = None


def decode_answer(datagram: bytes) -> Heard:
    """What a gateway says in `datagram`. Raises MalformedError."""
    try:
        wire = msgspec.json.decode(datagram, type=_AnswerDatagram)
        return _meaning(wire)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedError(f"answer: {error}") from error


def _meaning(wire: _AnswerDatagram) -> Heard:
    match _MEANINGS.get(wire.status):
        case UdpStatus.AVAILABLE_DEVICE:
            return _announced(wire)
        case UdpStatus.WIFI_LIST:
            signals = wire.signals if len(wire.signals) == len(wire.data) else (None,) * len(wire.data)
            offers = zip(wire.data, signals, strict=True)
            return Listed(tuple(Offer(row.ssid, row.auth, row.encry, signal) for row, signal in offers))
        case (UdpStatus.WIFI_LIST_FAILED | UdpStatus.WIFI_JOIN_FAILED) as status:
            return Refused(status, wire.desc or "", None if wire.sn is None else str(wire.sn))
        case UdpStatus.FIRMWARE_IS_NEWEST:
            return FirmwareIsNewest()
        case _:
            raise ValueError(f"status {wire.status} is no gateway's")


def _announced(wire: _AnswerDatagram) -> Announced:
    msg = wire.msg
    if msg is None or msg.category != Category.GATEWAY:
        raise ValueError("200601 without a gateway's record")
    param = msg.param or _Param()
    ip = None if not param.ip else str(IPv4Address(param.ip))
    return Announced(
        uuid=msg.uuid,
        sn=str(msg.sn or ""),
        title=msg.title or "",
        type_sub=msg.type_sub or msg.type or "",
        ver=msg.ver or "",
        ip=ip,
        access_ssid=param.access_ssid,
        key=None if wire.pubkey is None else b64decode(wire.pubkey, validate=True),
        nonce=None if wire.nonce is None else b64decode(wire.nonce, validate=True),
    )


def question_who(sn: str) -> bytes:
    """Who is there? A §10 envelope for `category` "gw"."""
    return msgspec.json.encode({"msg": {"sn": sn, "category": Category.GATEWAY}, "status": OperationStatus.OFF.code})


def question_networks(uuid: str) -> bytes:
    """200552, to the gateway `uuid`."""
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST_REQUESTED.value[0], "uuid": uuid})


def question_join(uuid: str, sn: str, offer: Offer, passphrase: str | Sealed) -> bytes:
    """200554, to the gateway `uuid`."""
    if isinstance(passphrase, Sealed):
        pwd: object = {"nonce": b64encode(passphrase.nonce).decode(), "sealed": b64encode(passphrase.box).decode()}
    else:
        pwd = passphrase
    data = {"auth": offer.auth, "encry": offer.encryption, "ssid": offer.ssid, "pwd": pwd}
    return msgspec.json.encode({"status": UdpStatus.WIFI_JOIN_REQUESTED.value[0], "uuid": uuid, "sn": sn, "data": data})
