"""The phone's side of the datagrams of §10 and §13: encodes requests, decodes what gateways send. Pure.

The gateway's side is `provisioning.datagrams`.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

import msgspec

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category
from gatewayd.model.status import OperationStatus, UdpStatus
from gatewayd.model.wifi import Auth, Encryption
from gatewayd.provisioning.datagrams import SealedPassphrase

_STATUSES: Final = {status.value[0]: status for status in UdpStatus}


@dataclass(frozen=True, slots=True)
class Announcement:
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
class NetworkEntry:
    """A network as a 200554 names it: a row of a 200553, or a hidden one that the user names.

    `signal` in per cent; None where the gateway does not send it.
    """

    ssid: str
    auth: Auth
    encryption: Encryption
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkList:
    """200553: the networks, strongest first."""

    networks: tuple[NetworkEntry, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """400514 (`status` WIFI_LIST_FAILED) or 400515 (WIFI_JOIN_FAILED). `reason` is empty where the gateway gives none,
    `sn` is None where it does not repeat the request's.
    """

    status: UdpStatus
    reason: str
    sn: str | None


@dataclass(frozen=True, slots=True)
class FirmwareIsNewest:
    """200555."""


GatewayMessage = Announcement | NetworkList | Refusal | FirmwareIsNewest


class _RowWire(msgspec.Struct, frozen=True):
    auth: Auth
    encry: Encryption
    ssid: str


class _ParamWire(msgspec.Struct, frozen=True):
    ip: str | None = None
    access_ssid: str | None = None


class _MsgWire(msgspec.Struct, frozen=True):
    uuid: str
    category: str
    sn: str | int | None = None
    title: str | None = None
    type_sub: str | None = None
    type: str | None = None
    ver: str | None = None
    param: _ParamWire | None = None


class _MessageWire(msgspec.Struct, frozen=True):
    status: int
    msg: _MsgWire | None = None
    data: tuple[_RowWire, ...] = ()
    signals: tuple[int, ...] = ()
    desc: str | None = None
    sn: str | int | None = None
    pubkey: str | None = None
    nonce: str | None = None


def decode_message(datagram: bytes) -> GatewayMessage:
    """What a gateway sent. Raises MalformedError with the reason."""
    try:
        return _message(msgspec.json.decode(datagram, type=_MessageWire))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedError(f"answer: {error}") from error


def _message(wire: _MessageWire) -> GatewayMessage:
    match _STATUSES.get(wire.status):
        case UdpStatus.AVAILABLE_DEVICE:
            return _announcement(wire)
        case UdpStatus.WIFI_LIST:
            signals = wire.signals if len(wire.signals) == len(wire.data) else (None,) * len(wire.data)
            rows = zip(wire.data, signals, strict=True)
            return NetworkList(tuple(NetworkEntry(row.ssid, row.auth, row.encry, signal) for row, signal in rows))
        case (UdpStatus.WIFI_LIST_FAILED | UdpStatus.WIFI_JOIN_FAILED) as status:
            return Refusal(status, wire.desc or "", None if wire.sn is None else str(wire.sn))
        case UdpStatus.FIRMWARE_IS_NEWEST:
            return FirmwareIsNewest()
        case _:
            raise ValueError(f"status {wire.status}: no gateway sends it")


def _announcement(wire: _MessageWire) -> Announcement:
    msg = wire.msg
    if msg is None or msg.category != Category.GATEWAY:
        raise ValueError("200601 without a gateway's record")
    param = msg.param or _ParamWire()
    ip = None if not param.ip else str(IPv4Address(param.ip))
    return Announcement(
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


def encode_discover(sn: str) -> bytes:
    """A §10 envelope for `category` "gw", which gateways answer with 200601 and the same `sn`."""
    return msgspec.json.encode({"msg": {"sn": sn, "category": Category.GATEWAY}, "status": OperationStatus.OFF.code})


def encode_list_networks(uuid: str) -> bytes:
    """200552 to the gateway `uuid`."""
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST_REQUESTED.value[0], "uuid": uuid})


def encode_join_network(uuid: str, sn: str, network: NetworkEntry, passphrase: str | SealedPassphrase) -> bytes:
    """200554 to the gateway `uuid`."""
    if isinstance(passphrase, SealedPassphrase):
        nonce, ciphertext = b64encode(passphrase.nonce).decode(), b64encode(passphrase.ciphertext).decode()
        pwd: object = {"nonce": nonce, "sealed": ciphertext}
    else:
        pwd = passphrase
    data = {"auth": network.auth, "encry": network.encryption, "ssid": network.ssid, "pwd": pwd}
    return msgspec.json.encode({"status": UdpStatus.WIFI_JOIN_REQUESTED.value[0], "uuid": uuid, "sn": sn, "data": data})
