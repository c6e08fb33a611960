"""Records and outbox items as the bytes of a row: small JSON, with its secrets sealed.

A null that is its field's default is left out, which halves most records: what is written to flash is pages.
"""

from base64 import b85decode, b85encode
from types import MappingProxyType
from typing import Any, Final

import msgspec
import structlog

from gatewayd.model.errors import StoreError
from gatewayd.model.outbox_items import MqttItem, OutboxItem
from gatewayd.model.record import PARAM_OF, SECRET_FIELDS, Channel, Record
from gatewayd.model.status import OperationStatus
from gatewayd.store.cipher import Cipher

log = structlog.get_logger(__name__)

_RECORD_STRUCTS: Final[tuple[type[msgspec.Struct], ...]] = (Record, Channel, *PARAM_OF.values())


_MAX_QUOTED: Final = 40  # characters
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, KeyError, RecursionError)
"""What the bytes of a damaged row, or of one of another version, can raise; msgspec's errors are ValueErrors."""


def _null_by_default(struct: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(struct) if field.default is None)


_NULL_BY_DEFAULT: Final = MappingProxyType({struct: _null_by_default(struct) for struct in _RECORD_STRUCTS})
_SECRET_KEYS: Final = frozenset(
    field.encode_name
    for struct in _RECORD_STRUCTS
    for field in msgspec.structs.fields(struct)
    if field.name in SECRET_FIELDS
)
_SECRET_PLACES: Final = ("param", "param_extra", "extra")
"""The objects of a record that can hold a secret: its param, and the keys of the wire that §12 does not have."""


class Codec:
    """Encodes and decodes with one cipher. Decoding raises StoreError with the place of the fault."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def encode_record(self, record: Record) -> bytes:
        """`record` as the body of a row."""
        return msgspec.json.encode(self._pack(record))

    def decode_record(self, body: bytes) -> Record:
        """The record of a row. A secret that cannot be opened becomes null (the cipher counts it); the rest is kept."""
        try:
            return msgspec.convert(self._unpack(msgspec.json.decode(body)), Record)
        except _UNREADABLE as error:
            raise StoreError(f"a stored record cannot be read: {error}") from error

    def encode_item(self, item: OutboxItem) -> bytes:
        """`item` as the body of a row."""
        wire = msgspec.to_builtins(item)
        record = getattr(item, "record", None)
        if record is not None:
            wire["record"] = self._pack(record)
        return msgspec.json.encode(wire)

    def decode_item(self, body: bytes) -> OutboxItem:
        """The item of a row, its secrets as in `decode_record`."""
        try:
            wire = msgspec.json.decode(body)
            if wire.get("record") is not None:
                wire["record"] = self._unpack(wire["record"])
            item: OutboxItem = msgspec.convert(wire, OutboxItem)
        except _UNREADABLE as error:
            raise StoreError(f"a stored item cannot be read: {error}") from error
        if isinstance(item, MqttItem) and item.status not in OperationStatus.__members__:
            raise StoreError(f"a stored item cannot be read: no status {item.status[:_MAX_QUOTED]!r} in this version")
        return item

    def _pack(self, record: Record) -> dict[str, Any]:
        wire = _without_nulls(msgspec.to_builtins(record), Record)
        wire["param"] = _without_nulls(wire["param"], type(record.param))
        if "channel" in wire["param"]:
            wire["param"]["channel"] = [_without_nulls(channel, Channel) for channel in wire["param"]["channel"]]
        for place in _SECRET_PLACES:
            for name in _SECRET_KEYS & wire[place].keys():
                if isinstance(secret := wire[place][name], str):
                    sealed = self._cipher.seal(_secret_name(record.uuid, place, name), secret.encode())
                    wire[place][name] = b85encode(sealed).decode("ascii")
            if not wire[place]:
                del wire[place]
        return wire

    def _unpack(self, wire: dict[str, Any]) -> dict[str, Any]:
        for place in _SECRET_PLACES:
            content = wire.get(place, {})
            for name in _SECRET_KEYS & content.keys():
                if isinstance(content[name], str):
                    content[name] = self._open(_secret_name(wire["uuid"], place, name), content[name])
        return wire

    def _open(self, name: str, sealed: str) -> str | None:
        try:
            return self._cipher.open(name, b85decode(sealed)).decode()
        except (StoreError, ValueError):
            log.debug("secret_unreadable", name=name)  # the store counts them, and says so once
            return None


def _secret_name(uuid: str, place: str, name: str) -> str:
    return f"record/{uuid}/{place}/{name}"


def _without_nulls(wire: dict[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    droppable = _NULL_BY_DEFAULT[struct]
    return {key: value for key, value in wire.items() if value is not None or key not in droppable}
