"""The codes of a lock's events: their meaning, what they change, and which of a log are missing."""

from datetime import UTC, datetime

import pytest

from gatewayd.locks.event_codes import MessageLevel, meaning_of
from gatewayd.locks.events import changes_of, is_pushed, missing_events
from gatewayd.model.change import Change
from gatewayd.model.event import LockAlarm, LockEvent, LockNotification, LockProgrammed, LockSource
from gatewayd.model.ids import Uuid
from gatewayd.model.record import LockParam
from gatewayd.model.status import OperationStatus

LOCK = Uuid("00158d0003b00001")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def event(source: LockSource, code: int, user: int | None = 3, stamp: int | None = 700_000_000) -> LockEvent:
    return LockEvent(LOCK, source, code, user, NOON, stamp)


@pytest.mark.parametrize(
    ("notification", "status", "flag", "level", "operate"),
    [
        (
            event(LockSource.FINGERPRINT, 0x02),
            OperationStatus.UNLOCK_EVENT,
            "fingerprint_unlock",
            MessageLevel.NOTICE,
            1,
        ),
        (event(LockSource.KEYPAD, 0x02), OperationStatus.UNLOCK_EVENT, "password_unlock", MessageLevel.NOTICE, 1),
        (event(LockSource.RF, 0x01), OperationStatus.OFF, "remote_lock", MessageLevel.NOTICE, 0),
        (
            event(LockSource.KEYPAD, 0x05),
            OperationStatus.WRONG_PASSWORD,
            "password_unlock_refused",
            MessageLevel.REMINDER,
            None,
        ),
        (event(LockSource.MANUAL, 0x0E), OperationStatus.UNLOCK_EVENT, "inside_unlock", MessageLevel.NOTICE, 1),
        (event(LockSource.MANUAL, 0x77), OperationStatus.DEVICE_NORMAL, "inside_operation", MessageLevel.NOTICE, None),
        (LockAlarm(LOCK, 0x05, NOON), OperationStatus.TAMPER_ALARM, "illegalunlock", MessageLevel.ALARM, None),
        (LockAlarm(LOCK, 0x04, NOON), OperationStatus.TOO_MANY_ATTEMPTS_ALARM, "passerr", MessageLevel.ALARM, None),
        (LockAlarm(LOCK, 0x99, NOON), OperationStatus.FAULT_ALARM, "fault", MessageLevel.ALARM, None),
        (
            LockProgrammed(LOCK, LockSource.KEYPAD, 0x03, 2, NOON),
            OperationStatus.USER_REMOVED,
            "password_removed",
            1,
            None,
        ),
    ],
)
def test_code_has_status_flag_level_and_state(
    notification: LockNotification, status: OperationStatus, flag: str, level: int, operate: int | None
) -> None:
    meaning = meaning_of(notification)
    assert (meaning.status, meaning.flag, meaning.level, meaning.operate) == (status, flag, level, operate)


def test_unlocking_sets_slot_and_key_type() -> None:
    opened = event(LockSource.KEYPAD, 0x02, user=7)
    assert changes_of(opened, meaning_of(opened)) == (
        Change("operate", 1),
        Change("key_id", 7),
        Change("key_type", 0),
    )


def test_refused_code_changes_nothing() -> None:
    refused = event(LockSource.KEYPAD, 0x05)
    assert changes_of(refused, meaning_of(refused)) == ()


def test_each_kind_of_message_has_its_own_switch() -> None:
    quiet = LockParam(is_push_operate=False)
    assert not is_pushed(quiet, meaning_of(event(LockSource.KEYPAD, 0x02)))
    assert is_pushed(quiet, meaning_of(LockAlarm(LOCK, 0x05, NOON)))
    assert not is_pushed(LockParam(is_push_illegal_unlock=False), meaning_of(LockAlarm(LOCK, 0x05, NOON)))


A, B = event(LockSource.KEYPAD, 0x02, stamp=1), event(LockSource.KEYPAD, 0x02, stamp=2)
UNSTAMPED = event(LockSource.KEYPAD, 0x02, stamp=None)


@pytest.mark.parametrize(
    ("known", "logged", "missing"),
    [
        ((), (A, B), (A, B)),
        ((A,), (A, B), (B,)),
        ((A, B), (A, B), ()),
        ((A,), (A, A), (A,)),  # twice in one second is twice
        ((A, A), (A,), ()),  # the log has wrapped
        ((), (UNSTAMPED,), ()),
    ],
)
def test_only_unknown_stamped_events_are_missing(
    known: tuple[LockEvent, ...], logged: tuple[LockEvent, ...], missing: tuple[LockEvent, ...]
) -> None:
    assert missing_events(known, logged) == missing
