"""The gateway's side of the datagrams of §10 and §13: decodes requests, encodes answers. Pure.

The phone's side is `client.datagrams`. The full-width comma in the API's §13.4 is a misprint and is not accepted.
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
from gatewayd.provisioning.ssid import SsidTable

MAX_REQUEST_BYTES: Final = 2048
"""The longest request is a §10 envelope with a phone's own record, about 1,300 bytes."""

MAX_LIST_BYTES: Final = 1400
"""Of a list of networks: about 23 of them. A datagram of this size passes every network unfragmented."""

_MAX_SN: Final = 64  # characters
_CLUSTER: Final = "1001"  # what §10 shows for a gateway


@dataclass(frozen=True, slots=True)
class Discover:
    """Asks gateways to announce themselves: a §10 envelope for `category` "gw". The answer repeats `sn`."""

    sn: str | None = None


@dataclass(frozen=True, slots=True)
class ListNetworks:
    """200552. `uuid`, an extension, addresses one gateway; None: every gateway that receives it."""

    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class SealedPassphrase:
    """An extension: a passphrase sealed to the gateway's key, and the announced nonce that the seal is bound to."""

    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class JoinNetwork:
    """200554. `ssid` is text as in a list of networks. `uuid` as in `ListNetworks`; the answer repeats `sn`, likewise
    an extension.
    """

    ssid: str
    auth: Auth
    encryption: Encryption
    passphrase: str | SealedPassphrase = field(repr=False)
    uuid: str | None = None
    sn: str | None = None


Request = Discover | ListNetworks | JoinNetwork


class MalformedJoinError(MalformedError):
    """A 200554 that cannot be decoded; unlike other malformed datagrams it is answered, with 400515."""


class _DiscoverWire(msgspec.Struct, frozen=True):
    category: str | None = None
    sn: str | int | None = None


class _SealedPassphraseWire(msgspec.Struct, frozen=True):
    nonce: Annotated[str, Meta(max_length=64)]
    sealed: Annotated[str, Meta(max_length=512)]


class _JoinNetworkWire(msgspec.Struct, frozen=True):
    auth: Auth
    encry: Encryption
    ssid: Annotated[str, Meta(min_length=1, max_length=128)]
    pwd: Annotated[str, Meta(max_length=64)] | _SealedPassphraseWire | None = None


class _Envelope(msgspec.Struct, frozen=True):
    status: int | None = None
    msg: msgspec.Raw = msgspec.Raw(b"null")
    data: msgspec.Raw = msgspec.Raw(b"null")
    uuid: str | None = None
    sn: str | int | None = None


def decode(datagram: bytes) -> Request:
    """The request in `datagram`. Raises MalformedError (a MalformedJoinError for 200554) with place and reason.

    200601 and the other statuses that gateways send are not requests, so two gateways never answer each other.
    """
    if len(datagram) > MAX_REQUEST_BYTES:
        raise MalformedError(f"datagram: {len(datagram)} bytes; at most {MAX_REQUEST_BYTES} are read")
    envelope = _decode(datagram, _Envelope, "datagram")
    if envelope.status == UdpStatus.WIFI_LIST_REQUESTED.value[0]:
        return ListNetworks(envelope.uuid)
    if envelope.status == UdpStatus.WIFI_JOIN_REQUESTED.value[0]:
        return _join_network(envelope)
    if envelope.status == UdpStatus.AVAILABLE_DEVICE.value[0]:
        raise MalformedError("status: 200601 is sent by gateways")
    wire = _decode(bytes(envelope.msg), _DiscoverWire | None, "msg")
    if wire is None or wire.category != Category.GATEWAY:
        raise MalformedError("datagram: neither 200552 nor 200554, nor a msg of category gw")
    return Discover(_sn_text(wire.sn))


def _join_network(envelope: _Envelope) -> JoinNetwork:
    try:
        wire = _decode(bytes(envelope.data), _JoinNetworkWire, "data")
        passphrase = _sealed_passphrase(wire.pwd) if isinstance(wire.pwd, _SealedPassphraseWire) else wire.pwd or ""
    except MalformedError as error:
        raise MalformedJoinError(str(error)) from error
    return JoinNetwork(wire.ssid, wire.auth, wire.encry, passphrase, envelope.uuid, _sn_text(envelope.sn))


def _sn_text(sn: str | int | None) -> str | None:
    return None if sn is None else str(sn)[:_MAX_SN]


def _sealed_passphrase(wire: _SealedPassphraseWire) -> SealedPassphrase:
    try:
        return SealedPassphrase(b64decode(wire.nonce, validate=True), b64decode(wire.sealed, validate=True))
    except (Base64Error, ValueError) as error:
        raise MalformedError("data.pwd: not base64") from error


def _decode(text: bytes, kind: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedError(f"{place}: {error}") from error


def encode_announcement(
    record: Record, *, sn: str, ip: str, access_ssid: str | None, key: bytes, nonce: bytes
) -> bytes:
    """200601: the gateway's record (§12.1) in a §10 envelope.

    The Wi-Fi passphrase, the location and keys that §12.1 does not name are left out. `type`, `cluster`, `status` and
    `space` are in §10 only; they are sent because old phones may read them.
    Extensions, in base64: `pubkey`, to which a passphrase may be sealed, and `nonce`, to which the seal is bound.
    """
    assert isinstance(record.param, GatewayParam)
    param = replace(record.param, ip=ip, access_ssid=access_ssid, access_pass=None, lng=None)
    msg = to_wire(replace(record, param=param, extra={}, param_extra={}))
    msg["param"] |= {"status": 1, "space": []}
    envelope = {
        "msg": {"sn": sn, **msg, "type": record.type_sub, "cluster": _CLUSTER},
        **_status(UdpStatus.AVAILABLE_DEVICE),
        "pubkey": b64encode(key).decode(),
        "nonce": b64encode(nonce).decode(),
    }
    return msgspec.json.encode(envelope)


def encode_network_list(networks: Iterable[WifiNetwork], ssids: SsidTable) -> bytes:
    """200553: as many of `networks` as fit into MAX_LIST_BYTES, in their order, with the texts of `ssids`.

    Extension: `signals`, beside `data`, is the signal strength of each row in per cent.
    """
    rows: list[msgspec.Raw] = []
    signals: list[int] = []
    bytes_left = MAX_LIST_BYTES - len(_encode_list([], []))
    for network in networks:
        row = {"auth": network.auth, "encry": network.encryption, "ssid": ssids.to_text(network.ssid)}
        text = msgspec.json.encode(row)
        bytes_left -= len(text) + len(str(network.signal)) + len(",,")
        if bytes_left < 0:
            break
        rows.append(msgspec.Raw(text))
        signals.append(network.signal)
    return _encode_list(rows, signals)


def encode_list_failed() -> bytes:
    """400514."""
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST_FAILED.value[0]})


def encode_join_failed(reason: str, sn: str | None = None) -> bytes:
    """400515. Extensions: `desc` is `reason`, which contains no secret; `sn` is the request's, where it had one."""
    answer = {"status": UdpStatus.WIFI_JOIN_FAILED.value[0], "desc": reason}
    return msgspec.json.encode(answer if sn is None else answer | {"sn": sn})


def encode_firmware_is_newest() -> bytes:
    """200555."""
    return msgspec.json.encode(_status(UdpStatus.FIRMWARE_IS_NEWEST))


def _encode_list(rows: list[msgspec.Raw], signals: list[int]) -> bytes:
    return msgspec.json.encode({"status": UdpStatus.WIFI_LIST.value[0], "data": rows, "signals": signals})


def _status(meaning: UdpStatus) -> dict[str, Any]:
    code, desc = meaning.value
    return {"status": code, "desc": desc}
