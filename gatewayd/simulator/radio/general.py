"""What a device answers to ZCL's general commands: reading, writing, discovering, configuring reports (ZCL §2.5).

What a cluster's own commands do is `devices/`'.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Protocol

from gatewayd.simulator.radio import zcl
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster
from gatewayd.simulator.radio.reporting import Reporter
from gatewayd.simulator.radio.zcl import Frame, GeneralCommand, ShortDataError, Value, ZclStatus

_REPORTED = 0x00
"""The direction in reporting records: the device sends the reports."""


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

    def set_attribute(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        """Change an attribute, and report it as configured."""


def answer(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes | None:
    """The answer to a general command; None where it has none."""
    if frame.command in {GeneralCommand.DEFAULT_RESPONSE, GeneralCommand.REPORT_ATTRIBUTES} or frame.from_server:
        return None if frame.command != GeneralCommand.READ_ATTRIBUTES else _refuse_to_read_client(frame)
    if (endpoint, cluster) not in device.clusters:
        return frame.default_response(ZclStatus.UNSUPPORTED_CLUSTER)
    if frame.command not in _HANDLERS:
        return frame.default_response(ZclStatus.UNSUP_GENERAL_COMMAND)
    response, handler = _HANDLERS[frame.command]
    try:
        payload = handler(device, endpoint, cluster, frame)
    except (ShortDataError, struct.error):
        return frame.default_response(ZclStatus.MALFORMED_COMMAND)
    return None if response is None else frame.answer(response, payload, general=True)


def _attribute_ids(payload: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(payload) // 2}H", payload[: len(payload) // 2 * 2])


def _refuse_to_read_client(frame: Frame) -> bytes:
    """Client attributes are unsupported; hosts read those of the OTA cluster."""
    rows = (struct.pack("<HB", id_, ZclStatus.UNSUPPORTED_ATTRIBUTE) for id_ in _attribute_ids(frame.payload))
    return frame.answer(GeneralCommand.READ_ATTRIBUTES_RESPONSE, b"".join(rows), general=True)


def _read(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    rows = []
    for id_ in _attribute_ids(frame.payload):
        attribute = device.attributes.get((endpoint, cluster, id_))
        if attribute is None or frame.manufacturer is not None:
            rows.append(struct.pack("<HB", id_, ZclStatus.UNSUPPORTED_ATTRIBUTE))
            continue
        device.refresh((endpoint, cluster, id_))
        value = attribute.type.pack(device.values[endpoint, cluster, id_])
        rows.append(struct.pack("<HBB", id_, ZclStatus.SUCCESS, attribute.type.id) + value)
    return b"".join(rows)


def _write(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    failures, rest = [], frame.payload
    while rest:
        id_, type_id = zcl.fields("HB", rest)
        if type_id not in zcl.TYPES:
            failures.append(struct.pack("<BH", ZclStatus.INVALID_DATA_TYPE, id_))
            break
        value, rest = zcl.TYPES[type_id].unpack(rest[3:])
        status = _write_one(device, (endpoint, cluster, id_), type_id, value)
        if status != ZclStatus.SUCCESS:
            failures.append(struct.pack("<BH", status, id_))
    return b"".join(failures) or bytes((ZclStatus.SUCCESS,))


def _write_one(device: AttributeServer, key: AttributeKey, type_id: int, value: Value) -> int:
    attribute = device.attributes.get(key)
    if attribute is None:
        return ZclStatus.UNSUPPORTED_ATTRIBUTE
    if not attribute.writable:
        return ZclStatus.READ_ONLY
    if attribute.type.id != type_id:
        return ZclStatus.INVALID_DATA_TYPE
    device.set_attribute(*key, value)
    return ZclStatus.SUCCESS


def _configure(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    failures, rest = [], frame.payload
    while rest:
        direction, id_ = zcl.fields("BH", rest)
        if direction != _REPORTED:
            rest = rest[5:]
            failures.append(struct.pack("<BBH", ZclStatus.INVALID_VALUE, direction, id_))
            continue
        type_id, minimum, maximum = zcl.fields("BHH", rest[3:])
        rest = rest[8:]
        change: Value | None = None
        data_type = zcl.TYPES.get(type_id)
        if data_type is None:
            failures.append(struct.pack("<BBH", ZclStatus.INVALID_DATA_TYPE, direction, id_))
            break
        if data_type.analog:
            change, rest = data_type.unpack(rest)
        assert change is None or isinstance(change, int)
        status = _configure_one(device, (endpoint, cluster, id_), type_id, (minimum, maximum), change)
        if status != ZclStatus.SUCCESS:
            failures.append(struct.pack("<BBH", status, direction, id_))
    return b"".join(failures) or bytes((ZclStatus.SUCCESS,))


def _configure_one(
    device: AttributeServer, key: AttributeKey, type_id: int, limits: tuple[int, int], change: int | None
) -> int:
    minimum, maximum = limits
    attribute = device.attributes.get(key)
    if attribute is None:
        return ZclStatus.UNSUPPORTED_ATTRIBUTE
    if not attribute.reportable:
        return ZclStatus.UNREPORTABLE_ATTRIBUTE
    if attribute.type.id != type_id:
        return ZclStatus.INVALID_DATA_TYPE
    if maximum and maximum < minimum:
        return ZclStatus.INVALID_VALUE
    device.reporter.configure(key, minimum, maximum, change, device.values[key])
    return ZclStatus.SUCCESS


def _read_reporting(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    rows = []
    for at in range(0, len(frame.payload), 3):
        direction, id_ = zcl.fields("BH", frame.payload[at:])
        key = (endpoint, cluster, id_)
        reporting = device.reporter.configured.get(key)
        if reporting is None:
            missing = ZclStatus.NOT_FOUND if key in device.attributes else ZclStatus.UNSUPPORTED_ATTRIBUTE
            rows.append(struct.pack("<BBH", missing, direction, id_))
            continue
        type_ = device.attributes[key].type
        row = struct.pack("<BBHBHH", ZclStatus.SUCCESS, direction, id_, type_.id, reporting.minimum, reporting.maximum)
        rows.append(row + (type_.pack(reporting.change) if reporting.change is not None else b""))
    return b"".join(rows)


def _discover(device: AttributeServer, endpoint: int, cluster: int, frame: Frame) -> bytes:
    first, limit = zcl.fields("HB", frame.payload)
    known = sorted(key[2] for key in device.attributes if key[:2] == (endpoint, cluster) and key[2] >= first)
    rows = (struct.pack("<HB", id_, device.attributes[endpoint, cluster, id_].type.id) for id_ in known[:limit])
    return bytes((len(known) <= limit,)) + b"".join(rows)


_HANDLERS: dict[int, tuple[int | None, Callable[[AttributeServer, int, int, Frame], bytes]]] = {
    GeneralCommand.READ_ATTRIBUTES: (GeneralCommand.READ_ATTRIBUTES_RESPONSE, _read),
    GeneralCommand.WRITE_ATTRIBUTES: (GeneralCommand.WRITE_ATTRIBUTES_RESPONSE, _write),
    GeneralCommand.WRITE_ATTRIBUTES_UNDIVIDED: (GeneralCommand.WRITE_ATTRIBUTES_RESPONSE, _write),
    GeneralCommand.WRITE_ATTRIBUTES_NO_RESPONSE: (None, _write),
    GeneralCommand.CONFIGURE_REPORTING: (GeneralCommand.CONFIGURE_REPORTING_RESPONSE, _configure),
    GeneralCommand.READ_REPORTING_CONFIGURATION: (
        GeneralCommand.READ_REPORTING_CONFIGURATION_RESPONSE,
        _read_reporting,
    ),
    GeneralCommand.DISCOVER_ATTRIBUTES: (GeneralCommand.DISCOVER_ATTRIBUTES_RESPONSE, _discover),
}
