"""The datagrams of §10 and §13: requests decoded, answers encoded. Pure: no sockets, no clock, no state.

§13.4 is printed with a full-width comma; that is a misprint. JSON is JSON.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from gatewayd.model.errors import MalformedError
from gatewayd.model.ids import Category
from gatewayd.model.record import GatewayParam, Record
from gatewayd.model.record_wire import to_wire
from gatewayd.model.status import UdpStatus
from gatewayd.model.wifi import Auth, Encryption, WifiNetwork
from gatewayd.provisioning.ssid import SsidNames

MAX_REQUEST: Final = 2048
"""Bytes; the longest request is a phone's own §10 record, about 1,300."""

MAX_ANSWER: Final = 1400
"""Bytes of a list of networks: what goes through any network in one piece, some 23 networks, the strongest."""


_MAX_SN: Final = 64


@dataclass(frozen=True, slots=True)
class Discover:
    """Who is there? A §10 envelope for `category` "gw". `sn` comes back in the answer."""

    sn: str | None = None


@dataclass(frozen=True, slots=True)
class ListNetworks:
    """200552. `uuid`, an extension, says which gateway is meant; None: whichever hears it."""

    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """An extension: a passphrase sealed to the gateway's key, and the announced nonce that it is bound to."""

    nonce: bytes
    box: bytes


@dataclass(frozen=True, slots=True)
class JoinNetwork:
    """200554. `ssid` is text as a list of networks shows it. `sn`, an extension, comes back in its answer."""

    ssid: str
    auth: Auth
    encryption: Encryption
    passphrase: str | Sealed = field(repr=False)
    uuid: str | None = None
    sn: str | None = None


Request = Discover | ListNetworks | JoinNetwork


class MalformedJoinError(MalformedError):
    """A 200554 that cannot be obeyed as it stands; its phone is waiting to hear 400515."""


class _Requested(msgspec.Struct, frozen=True):
    category: str | None = None
    sn: str | int | None = None


class _SealedWire(msgspec.Struct, frozen=True):
    nonce: Annotated[str, Meta(max_length=64)]
    sealed: Annotated[str, Meta(max_length=512)]


class _JoinWire(msgspec.Struct, frozen=True):
    auth: Auth
    encry: Encryption
    ssid: Annotated[str, Meta(min_length=1, max_length=128)]
    pwd: Annotated[str, Meta(max_length=64)] | _SealedWire | None = None


class _Envelope(msgspec.Struct, frozen=True):
    status: int | None = None
    msg: msgspec.Raw = msgspec.Raw(b"null")
    data: msgspec.Raw = msgspec.Raw(b"null")
    uuid: str | None = None
    sn: str | int | None = None


def decode(datagram: bytes) -> Request:
    """The request in `datagram`. Raises MalformedError (MalformedJoinError) with the place and the reason.

    What gateways say (200601 and every other answer) is no request: two gateways never keep each other talking.
    """
    if len(datagram) > MAX_REQUEST:
        raise MalformedError(f"datagram: {len(datagram)} bytes; at most {MAX_REQUEST} are read")
    envelope = _read(datagram, _Envelope, "datagram")
    if envelope.status == UdpStatus.WIFI_LIST_REQUESTED.value[0]:
        return ListNetworks(envelope.uuid)
    if envelope.status == UdpStatus.WIFI_JOIN_REQUESTED.value[0]:
        return _join(envelope)
    if envelope.status == UdpStatus.AVAILABLE_DEVICE.value[0]:
        raise MalformedError("status: 200601 is said by gateways")
    asked = _read(bytes(envelope.msg), _Requested | None, "msg")
    if asked is None or asked.category != Category.GATEWAY:
        raise MalformedError("datagram: neither 200552 nor 200554, nor a msg of category gw")
    return Discover(_short(asked.sn))


def _join(envelope: _Envelope) -> JoinNetwork:
    try:
        wire = _read(bytes(envelope.data), _JoinWire, "data")
        passphrase = _sealed(wire.pwd) if isinstance(wire.pwd, _SealedWire) else wire.pwd or ""
    except MalformedError as error:
        raise MalformedJoinError(str(error)) from error
    return JoinNetwork(wire.ssid, wire.auth, wire.encry, passphrase, envelope.uuid, _short(envelope.sn))


def _short(sn: str | int | None) -> str | None:
    return None if sn is None else str(sn)[:_MAX_SN]


def _sealed(wire: _SealedWire) -> Sealed:
    try:
        return Sealed(b64decode(wire.nonce, validate=True), b64decode(wire.sealed, validate=True))
    except (Base64Error, ValueError) as error:
        raise MalformedError("data.pwd: not base64") from error


def _read(text: bytes, kind: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedError(f"{place}: {error}") from error


def announcement(record: Record, *, sn: str, ip: str, access_ssid: str | None, key: bytes, nonce: bytes) -> bytes:
    """200601: the gateway's record (§12.1) in a §10 envelope, without its secrets, its place and others' keys.

    `type`, `cluster`, `status` and `space` stand in §10 alone: old phones may look for them.
    Extensions: `pubkey` is what a passphrase may be sealed to, `nonce` is what that seal is bound to (both base64).
    """
    assert isinstance(record.param, GatewayParam)
    param = replace(record.param, ip=ip, access_ssid=access_ssid, access_pass=None, lng=None)
    msg = to_wire(replace(record, param=param, extra={}, param_extra={}))
    msg["param"] |= {"status": 1, "space": []}
    envelope = {
        "msg": {"sn": sn, **msg, "type": record.type_sub, "cluster": "1001"},
        **_status(UdpStatus.AVAILABLE_DEVICE),
        "pubkey": b64encode(key).decode(),
        "nonce": b64encode(nonce).decode(),
    }
    return msgspec.json.encode(envelope)


def network_list(networks: Iterable[WifiNetwork], names: SsidNames) -> bytes:
    """200553: as many networks as fit into MAX_ANSWER bytes, in their order.

    An extension beside §13's rows: `signals` says how strong each is, in per cent.
    """
    rows: list[msgspec.Raw] = []
    signals: list[int] = []
    room = MAX_ANSWER - len(_list([], []))
    for network in networks:
        row = {"auth": network.auth, "encry": network.encryption, "ssid": names.text(network.ssid)}
        text = msgspec.json.encode(row)
        room -= len(text) + len(str(network.signal)) + 2
        if room < 0:
            break
        rows.append(msgspec.Raw(text))
        signals.append(network.signal)
    return _list(rows, signals)


def list_failed() -> bytes:
    """400514."""
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST_FAILED.value[0]})


def join_failed(reason: str, sn: str | None = None) -> bytes:
    """400515. Extensions: `desc` says why, in words without any secret; `sn` is the request's, where it had one."""
    answer = {"status": UdpStatus.WIFI_JOIN_FAILED.value[0], "desc": reason}
    return msgspec.json.encode(answer if sn is None else answer | {"sn": sn})


def firmware_is_newest() -> bytes:
    """200555."""
    return msgspec.json.encode(_status(UdpStatus.FIRMWARE_IS_NEWEST))


def _list(rows: list[msgspec.Raw], signals: list[int]) -> bytes:
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST.value[0], "data": rows, "signals": signals})


def _status(meaning: UdpStatus) -> dict[str, Any]:
    code, desc = meaning.value
    return {"status": code, "desc": desc}
