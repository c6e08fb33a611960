"""Records and outgoing words as the bytes of a row: small JSON, with its secrets sealed.

A null that is its field's default is left out, which halves most records: what is written to flash is pages.
"""

from base64 import b85decode, b85encode
from types import MappingProxyType
from typing import Any, Final

import msgspec
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import OutboxItem
from gatewayd.model.record import PARAM_OF, SECRET_FIELDS, Channel, Record
from gatewayd.store.cipher import Cipher

log = structlog.get_logger(__name__)

_STRUCTS: Final[tuple[type[msgspec.Struct], ...]] = (Record, Channel, *PARAM_OF.values())


def _null_by_default(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if field.default is None)


_NULLS: Final = MappingProxyType({kind: _null_by_default(kind) for kind in _STRUCTS})
_SECRETS: Final = frozenset(
    field.encode_name for kind in _STRUCTS for field in msgspec.structs.fields(kind) if field.name in SECRET_FIELDS
)
_PLACES: Final = ("param", "param_extra", "extra")
"""Where a record can hold a secret: in its own fields, and in keys of the wire that nobody here knows."""


class Codec:
    """Encodes and decodes with one cipher. Decoding raises StoreError with the place of the fault."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def encode_record(self, record: Record) -> bytes:
        """`record` as the body of a row."""
        return msgspec.json.encode(self._pack(record))

    def decode_record(self, body: bytes) -> Record:
        """The record of a row. A secret that does not open is left out and logged, and costs nothing else."""
        try:
            return msgspec.convert(self._unpack(msgspec.json.decode(body)), Record)
        except (msgspec.MsgspecError, TypeError, AttributeError) as error:
            raise StoreError(f"a stored record cannot be read: {error}") from error

    def encode_due(self, due: OutboxItem) -> bytes:
        """`due` as the body of a row."""
        wire = msgspec.to_builtins(due)
        record = getattr(due, "record", None)
        if record is not None:
            wire["record"] = self._pack(record)
        return msgspec.json.encode(wire)

    def decode_due(self, body: bytes) -> OutboxItem:
        """The word of a row."""
        try:
            wire = msgspec.json.decode(body)
            if wire.get("record") is not None:
                wire["record"] = self._unpack(wire["record"])
            due: OutboxItem = msgspec.convert(wire, OutboxItem)
        except (msgspec.MsgspecError, TypeError, AttributeError) as error:
            raise StoreError(f"a stored word cannot be read: {error}") from error
        return due

    def _pack(self, record: Record) -> dict[str, Any]:
        wire = _without_nulls(msgspec.to_builtins(record), Record)
        wire["param"] = _without_nulls(wire["param"], type(record.param))
        if "channel" in wire["param"]:
            wire["param"]["channel"] = [_without_nulls(channel, Channel) for channel in wire["param"]["channel"]]
        for place in _PLACES:
            for name in _SECRETS & wire[place].keys():
                if isinstance(secret := wire[place][name], str):
                    sealed = self._cipher.seal(_aad(record.uuid, place, name), secret.encode())
                    wire[place][name] = b85encode(sealed).decode("ascii")
            if not wire[place]:
                del wire[place]
        return wire

    def _unpack(self, wire: dict[str, Any]) -> dict[str, Any]:
        for place in _PLACES:
            held = wire.get(place, {})
            for name in _SECRETS & held.keys():
                if isinstance(held[name], str):
                    held[name] = self._opened(_aad(wire["uuid"], place, name), held[name])
        return wire

    def _opened(self, aad: str, sealed: str) -> str | None:
        try:
            return self._cipher.open(aad, b85decode(sealed)).decode()
        except (StoreError, ValueError):
            log.warning("secret_found_unreadable", name=aad)
            return None


def _aad(uuid: str, place: str, name: str) -> str:
    return f"record/{uuid}/{place}/{name}"


def _without_nulls(wire: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    droppable = _NULLS[kind]
    return {key: value for key, value in wire.items() if value is not None or key not in droppable}
