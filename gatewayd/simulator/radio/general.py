"""What a device answers to ZCL's general commands: reading, writing, discovering, and configuring reports.

What a cluster's own commands do is the devices'.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Protocol

from gatewayd.simulator.radio import zcl
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster
from gatewayd.simulator.radio.reporting import Reporter
from gatewayd.simulator.radio.zcl import Frame, ShortDataError, Value

_TOWARDS_CLIENT = 0x00


class AttributeServer(Protocol):
    """What general commands need of a device."""

    @property
    def clusters(self) -> Mapping[tuple[int, int], Cluster]:
        """By (endpoint, cluster)."""

    @property
    def attributes(self) -> Mapping[AttributeKey, Attribute]: ...
    @property
    def values(self) -> Mapping[AttributeKey, Value]: ...
    @property
    def reporter(self) -> Reporter: ...

    def refresh(self, key: AttributeKey) -> None:
        """Bring an attribute up to date that changes by itself, before it is read."""

    def put(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        """Change an attribute, and report it as configured."""


def answer(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes | None:
    """The answer to a general command, None where none is due."""
    if frame.command in {zcl.DEFAULT_RESPONSE, zcl.REPORT} or frame.from_server:
        return None if frame.command != zcl.READ else _read_nothing(frame)
    if (endpoint, cluster) not in device.clusters:
        return frame.default_response(zcl.UNSUPPORTED_CLUSTER)
    if frame.command not in _ANSWERS:
        return frame.default_response(zcl.UNSUPPORTED_GENERAL_COMMAND)
    response, handler = _ANSWERS[frame.command]
    try:
        payload = handler(device, endpoint, cluster, frame)
    except (ShortDataError, struct.error):
        return frame.default_response(zcl.MALFORMED)
    return None if response is None else frame.answer(response, payload, general=True)


def _attribute_ids(payload: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(payload) // 2}H", payload[: len(payload) // 2 * 2])


def _read_nothing(frame: Frame) -> bytes:
    """A client's attribute was asked for (a host does that with OTA's): none is kept."""
    rows = (struct.pack("<HB", number, zcl.UNSUPPORTED_ATTRIBUTE) for number in _attribute_ids(frame.payload))
    return frame.answer(zcl.READ_RESPONSE, b"".join(rows), general=True)


def _read(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    rows = []
    for number in _attribute_ids(frame.payload):
        attribute = device.attributes.get((endpoint, cluster, number))
        if attribute is None or frame.manufacturer is not None:
            rows.append(struct.pack("<HB", number, zcl.UNSUPPORTED_ATTRIBUTE))
            continue
        device.refresh((endpoint, cluster, number))
        value = attribute.type.pack(device.values[endpoint, cluster, number])
        rows.append(struct.pack("<HBB", number, zcl.SUCCESS, attribute.type.id) + value)
    return b"".join(rows)


def _write(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    failures, rest = [], frame.payload
    while rest:
        number, kind = zcl.fields("HB", rest)
        if kind not in zcl.TYPES:
            failures.append(struct.pack("<BH", zcl.INVALID_DATA_TYPE, number))
            break
        value, rest = zcl.TYPES[kind].unpack(rest[3:])
        status = _write_one(device, (endpoint, cluster, number), kind, value)
        if status != zcl.SUCCESS:
            failures.append(struct.pack("<BH", status, number))
    return b"".join(failures) or bytes((zcl.SUCCESS,))


def _write_one(device: AttributeServer, key: AttributeKey, kind: int, value: Value) -> int:
    attribute = device.attributes.get(key)
    if attribute is None:
        return zcl.UNSUPPORTED_ATTRIBUTE
    if not attribute.writable:
        return zcl.READ_ONLY
    if attribute.type.id != kind:
        return zcl.INVALID_DATA_TYPE
    device.put(*key, value)
    return zcl.SUCCESS


def _configure(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    failures, rest = [], frame.payload
    while rest:
        direction, number = zcl.fields("BH", rest)
        if direction != _TOWARDS_CLIENT:
            rest = rest[5:]
            failures.append(struct.pack("<BBH", zcl.INVALID_VALUE, direction, number))
            continue
        kind, minimum, maximum = zcl.fields("BHH", rest[3:])
        rest = rest[8:]
        change: Value | None = None
        data_type = zcl.TYPES.get(kind)
        if data_type is None:
            failures.append(struct.pack("<BBH", zcl.INVALID_DATA_TYPE, direction, number))
            break
        if data_type.analog:
            change, rest = data_type.unpack(rest)
        assert change is None or isinstance(change, int)
        status = _configure_one(device, (endpoint, cluster, number), kind, (minimum, maximum), change)
        if status != zcl.SUCCESS:
            failures.append(struct.pack("<BBH", status, direction, number))
    return b"".join(failures) or bytes((zcl.SUCCESS,))


def _configure_one(
    device: AttributeServer, key: AttributeKey, kind: int, limits: tuple[int, int], change: int | None
) -> int:
    minimum, maximum = limits
    attribute = device.attributes.get(key)
    if attribute is None:
        return zcl.UNSUPPORTED_ATTRIBUTE
    if not attribute.reportable:
        return zcl.UNREPORTABLE
    if attribute.type.id != kind:
        return zcl.INVALID_DATA_TYPE
    if maximum and maximum < minimum:
        return zcl.INVALID_VALUE
    device.reporter.configure(key, minimum, maximum, change, device.values[key])
    return zcl.SUCCESS


def _read_reporting(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    rows = []
    for at in range(0, len(frame.payload), 3):
        direction, number = zcl.fields("BH", frame.payload[at:])
        key = (endpoint, cluster, number)
        reporting = device.reporter.configured.get(key)
        if reporting is None:
            missing = zcl.NOT_FOUND if key in device.attributes else zcl.UNSUPPORTED_ATTRIBUTE
            rows.append(struct.pack("<BBH", missing, direction, number))
            continue
        kind = device.attributes[key].type
        row = struct.pack("<BBHBHH", 0, direction, number, kind.id, reporting.minimum, reporting.maximum)
        rows.append(row + (kind.pack(reporting.change) if reporting.change is not None else b""))
    return b"".join(rows)


def _discover(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    first, most = zcl.fields("HB", frame.payload)
    known = sorted(key[2] for key in device.attributes if key[:2] == (endpoint, cluster) and key[2] >= first)
    rows = (struct.pack("<HB", number, device.attributes[endpoint, cluster, number].type.id) for number in known[:most])
    return bytes((len(known) <= most,)) + b"".join(rows)


_ANSWERS: dict[int, tuple[int | None, Callable[[AttributeServer, int, int, Frame], bytes]]] = {
    zcl.READ: (zcl.READ_RESPONSE, _read),
    zcl.WRITE: (zcl.WRITE_RESPONSE, _write),
    zcl.WRITE_UNDIVIDED: (zcl.WRITE_RESPONSE, _write),
    zcl.WRITE_NO_RESPONSE: (None, _write),
    zcl.CONFIGURE_REPORTING: (zcl.CONFIGURE_REPORTING_RESPONSE, _configure),
    zcl.READ_REPORTING: (zcl.READ_REPORTING_RESPONSE, _read_reporting),
    zcl.DISCOVER: (zcl.DISCOVER_RESPONSE, _discover),
}
