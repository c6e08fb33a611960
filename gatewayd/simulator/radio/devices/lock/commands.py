"""The Door Lock cluster's commands (ZCL 7.3.2.15): each unpacks its fields, calls the lock, packs the response."""

import struct

from gatewayd.simulator.radio.devices.lock.codes import DoorLockCommand, EventSource, UserStatus, UserType
from gatewayd.simulator.radio.devices.lock.device import Lock
from gatewayd.simulator.radio.endpoint import CommandHandler, ZclReply
from gatewayd.simulator.radio.zcl import ZclStatus, fields, octets


def _pin(payload: bytes) -> bytes:
    """The optional PIN at a payload's end."""
    return octets(payload)[0] if payload else b""


def _status(command: int, done: bool) -> ZclReply:
    return ZclReply(command, bytes((ZclStatus.SUCCESS if done else ZclStatus.FAILURE,)))


def _lock_door(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(DoorLockCommand.LOCK_DOOR, lock.operate_by_radio(_pin(payload), lock=True))


def _unlock_door(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(DoorLockCommand.UNLOCK_DOOR, lock.operate_by_radio(_pin(payload), lock=False))


def _toggle(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    return _status(DoorLockCommand.TOGGLE, lock.operate_by_radio(_pin(payload), lock=not lock.is_locked()))


def _unlock_with_timeout(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (seconds,) = fields("H", payload)
    return _status(
        DoorLockCommand.UNLOCK_WITH_TIMEOUT, lock.operate_by_radio(_pin(payload[2:]), lock=False, relock_after=seconds)
    )


def _get_log_record(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (index,) = fields("H", payload)
    record = lock.log.read(index)
    return ZclStatus.NOT_FOUND if record is None else ZclReply(DoorLockCommand.GET_LOG_RECORD, record.pack())


def _set_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    user_id, status, type_ = fields("HBB", payload)
    pin, _ = octets(payload[4:])
    return ZclReply(
        DoorLockCommand.SET_PIN_CODE, bytes((lock.set_pin(user_id, status, type_, pin, EventSource.RF).value,))
    )


def _get_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (user_id,) = fields("H", payload)
    if not lock.user_codes.has_slot(user_id):
        return ZclStatus.INVALID_FIELD
    user = lock.user_codes.users.get(user_id)
    if user is None:
        return ZclReply(
            DoorLockCommand.GET_PIN_CODE, struct.pack("<HBBB", user_id, UserStatus.AVAILABLE, UserType.NOT_SUPPORTED, 0)
        )
    head = struct.pack("<HBBB", user_id, user.status, user.type, len(user.pin))
    return ZclReply(DoorLockCommand.GET_PIN_CODE, head + user.pin)


def _clear_pin(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (user_id,) = fields("H", payload)
    lock.clear_pin(user_id, EventSource.RF)
    return _status(DoorLockCommand.CLEAR_PIN_CODE, lock.user_codes.has_slot(user_id))


def _clear_all_pins(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    for user_id in list(lock.user_codes.users):
        lock.clear_pin(user_id, EventSource.RF)
    return _status(DoorLockCommand.CLEAR_ALL_PIN_CODES, done=True)


def _set_user_status(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    user_id, status = fields("HB", payload)
    user = lock.user_codes.users.get(user_id)
    done = user is not None and status in {UserStatus.ENABLED, UserStatus.DISABLED}
    if user is not None and done:
        user.status = UserStatus(status)
    return _status(DoorLockCommand.SET_USER_STATUS, done)


def _get_user_status(lock: Lock, endpoint: int, payload: bytes) -> ZclReply | int:
    (user_id,) = fields("H", payload)
    if not lock.user_codes.has_slot(user_id):
        return ZclStatus.INVALID_FIELD
    user = lock.user_codes.users.get(user_id)
    return ZclReply(
        DoorLockCommand.GET_USER_STATUS,
        struct.pack("<HB", user_id, UserStatus.AVAILABLE if user is None else user.status),
    )


def _set_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, user_id, start, end = fields("BHII", payload)
    user = lock.user_codes.users.get(user_id)
    done = user is not None and schedule < lock.user_codes.schedules and start <= end
    if user is not None and done:
        user.schedules[schedule] = (start, end)
    return _status(DoorLockCommand.SET_YEAR_DAY_SCHEDULE, done)


def _get_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, user_id = fields("BH", payload)
    user = lock.user_codes.users.get(user_id)
    if schedule >= lock.user_codes.schedules or not lock.user_codes.has_slot(user_id):
        return ZclReply(
            DoorLockCommand.GET_YEAR_DAY_SCHEDULE, struct.pack("<BHB", schedule, user_id, ZclStatus.INVALID_FIELD)
        )
    if user is None or schedule not in user.schedules:
        return ZclReply(
            DoorLockCommand.GET_YEAR_DAY_SCHEDULE, struct.pack("<BHB", schedule, user_id, ZclStatus.NOT_FOUND)
        )
    return ZclReply(
        DoorLockCommand.GET_YEAR_DAY_SCHEDULE,
        struct.pack("<BHBII", schedule, user_id, ZclStatus.SUCCESS, *user.schedules[schedule]),
    )


def _clear_year_day(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    schedule, user_id = fields("BH", payload)
    user = lock.user_codes.users.get(user_id)
    if user is not None:
        user.schedules.pop(schedule, None)
    return _status(DoorLockCommand.CLEAR_YEAR_DAY_SCHEDULE, user is not None)


def _set_user_type(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    user_id, type_ = fields("HB", payload)
    user = lock.user_codes.users.get(user_id)
    if user is not None:
        user.type = type_
    return _status(DoorLockCommand.SET_USER_TYPE, user is not None)


def _get_user_type(lock: Lock, endpoint: int, payload: bytes) -> ZclReply:
    (user_id,) = fields("H", payload)
    user = lock.user_codes.users.get(user_id)
    return ZclReply(
        DoorLockCommand.GET_USER_TYPE,
        struct.pack("<HB", user_id, UserType.NOT_SUPPORTED if user is None else user.type),
    )


COMMANDS: dict[int, CommandHandler] = {
    DoorLockCommand.LOCK_DOOR: _lock_door,
    DoorLockCommand.UNLOCK_DOOR: _unlock_door,
    DoorLockCommand.TOGGLE: _toggle,
    DoorLockCommand.UNLOCK_WITH_TIMEOUT: _unlock_with_timeout,
    DoorLockCommand.GET_LOG_RECORD: _get_log_record,
    DoorLockCommand.SET_PIN_CODE: _set_pin,
    DoorLockCommand.GET_PIN_CODE: _get_pin,
    DoorLockCommand.CLEAR_PIN_CODE: _clear_pin,
    DoorLockCommand.CLEAR_ALL_PIN_CODES: _clear_all_pins,
    DoorLockCommand.SET_USER_STATUS: _set_user_status,
    DoorLockCommand.GET_USER_STATUS: _get_user_status,
    DoorLockCommand.SET_YEAR_DAY_SCHEDULE: _set_year_day,
    DoorLockCommand.GET_YEAR_DAY_SCHEDULE: _get_year_day,
    DoorLockCommand.CLEAR_YEAR_DAY_SCHEDULE: _clear_year_day,
    DoorLockCommand.SET_USER_TYPE: _set_user_type,
    DoorLockCommand.GET_USER_TYPE: _get_user_type,
}
