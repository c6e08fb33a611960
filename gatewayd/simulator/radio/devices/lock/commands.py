"""The Door Lock cluster's commands by radio (ZCL 7.3.2.15): each unpacks its fields, asks the lock, packs an answer."""

import struct

from gatewayd.simulator.radio.devices.lock.codes import EventSource, UserStatus, UserType
from gatewayd.simulator.radio.devices.lock.device import Lock
from gatewayd.simulator.radio.endpoint import ZclReply
from gatewayd.simulator.radio.zcl import FAILURE, INVALID_FIELD, NOT_FOUND, SUCCESS, fields, octets


def _pin(payload: bytes) -> bytes:
    """The optional PIN at a payload's end."""
    return octets(payload)[0] if payload else b""


def _status(command: int, ok: bool) -> ZclReply:
    return ZclReply(command, bytes((SUCCESS if ok else FAILURE,)))


def _lock_door(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(0x00, lock.operate_by_radio(_pin(payload), lock=True))


def _unlock_door(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(0x01, lock.operate_by_radio(_pin(payload), lock=False))


def _toggle(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(0x02, lock.operate_by_radio(_pin(payload), lock=not lock.is_locked()))


def _unlock_with_timeout(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (seconds,) = fields("H", payload)
    return _status(0x03, lock.operate_by_radio(_pin(payload[2:]), lock=False, relock_after=seconds))


def _get_log_record(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (index,) = fields("H", payload)
    record = lock.log.read(index)
    return NOT_FOUND if record is None else ZclReply(0x04, record.pack())


def _set_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    number, status, kind = fields("HBB", payload)
    pin, _ = octets(payload[4:])
    return ZclReply(0x05, bytes((lock.program(number, status, kind, pin, EventSource.RF).value,)))


def _get_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (number,) = fields("H", payload)
    if not lock.user_codes.has_slot(number):
        return INVALID_FIELD
    user = lock.user_codes.users.get(number)
    if user is None:
        return ZclReply(0x06, struct.pack("<HBBB", number, UserStatus.AVAILABLE, UserType.NOT_SUPPORTED, 0))
    head = struct.pack("<HBBB", number, user.status, user.type, len(user.pin))
    return ZclReply(0x06, head + user.pin)


def _clear_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (number,) = fields("H", payload)
    lock.unprogram(number, EventSource.RF)
    return _status(0x07, lock.user_codes.has_slot(number))


def _clear_all_pins(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    for number in list(lock.user_codes.users):
        lock.unprogram(number, EventSource.RF)
    return _status(0x08, ok=True)


def _set_user_status(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    number, status = fields("HB", payload)
    user = lock.user_codes.users.get(number)
    ok = user is not None and status in {UserStatus.ENABLED, UserStatus.DISABLED}
    if user is not None and ok:
        user.status = UserStatus(status)
    return _status(0x09, ok)


def _get_user_status(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (number,) = fields("H", payload)
    if not lock.user_codes.has_slot(number):
        return INVALID_FIELD
    user = lock.user_codes.users.get(number)
    return ZclReply(0x0A, struct.pack("<HB", number, UserStatus.AVAILABLE if user is None else user.status))


def _set_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, number, start, end = fields("BHII", payload)
    user = lock.user_codes.users.get(number)
    ok = user is not None and schedule < lock.user_codes.schedules and start <= end
    if user is not None and ok:
        user.schedules[schedule] = (start, end)
    return _status(0x0E, ok)


def _get_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, number = fields("BH", payload)
    user = lock.user_codes.users.get(number)
    if schedule >= lock.user_codes.schedules or not lock.user_codes.has_slot(number):
        return ZclReply(0x0F, struct.pack("<BHB", schedule, number, INVALID_FIELD))
    if user is None or schedule not in user.schedules:
        return ZclReply(0x0F, struct.pack("<BHB", schedule, number, NOT_FOUND))
    return ZclReply(0x0F, struct.pack("<BHBII", schedule, number, SUCCESS, *user.schedules[schedule]))


def _clear_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, number = fields("BH", payload)
    user = lock.user_codes.users.get(number)
    if user is not None:
        user.schedules.pop(schedule, None)
    return _status(0x10, user is not None)


def _set_user_type(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    number, kind = fields("HB", payload)
    user = lock.user_codes.users.get(number)
    if user is not None:
        user.type = kind
    return _status(0x14, user is not None)


def _get_user_type(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (number,) = fields("H", payload)
    user = lock.user_codes.users.get(number)
    return ZclReply(0x15, struct.pack("<HB", number, UserType.NOT_SUPPORTED if user is None else user.type))


COMMANDS = {
    0x00: _lock_door,
    0x01: _unlock_door,
    0x02: _toggle,
    0x03: _unlock_with_timeout,
    0x04: _get_log_record,
    0x05: _set_pin,
    0x06: _get_pin,
    0x07: _clear_pin,
    0x08: _clear_all_pins,
    0x09: _set_user_status,
    0x0A: _get_user_status,
    0x0E: _set_year_day,
    0x0F: _get_year_day,
    0x10: _clear_year_day,
    0x14: _set_user_type,
    0x15: _get_user_type,
}
