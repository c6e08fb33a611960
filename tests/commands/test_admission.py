"""Which requests may be executed: by permission, age and the device that they name."""

from datetime import UTC, datetime, timedelta

import pytest

from gatewayd.commands.admission import Requester, TimeKnown, age_refusal, refusal
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.permission import Permission
from gatewayd.model.record import CurtainParam, LockParam, Record
from gatewayd.model.request import (
    LockOperation,
    OperateLock,
    OperateSwitch,
    RemoveDevice,
    Request,
    SwitchOperation,
    UpdateRecord,
)
from gatewayd.model.status import OperationStatus
from tests.common.clock import EARLIEST

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TTL = timedelta(seconds=30)
LOCK = Record(uuid=Uuid("00158d0003b00001"), category=Category.LOCK, param=LockParam())
UNLINKED = Record(uuid=LOCK.uuid, category=Category.LOCK, param=LockParam(), unlinked=True)
CURTAIN = Record(uuid=LOCK.uuid, category=Category.CURTAIN, param=CurtainParam())


def unlock(sent_at: datetime | None = NOON) -> Request:
    action = OperateLock(LockOperation.UNLOCK)
    return Request("13800000000", Category.LOCK, LOCK.uuid, ExecType.CONTROL, "1", action, sent_at, identity=b"1")


def switch_on(sent_at: datetime | None = NOON) -> Request:
    action = OperateSwitch(SwitchOperation.ON)
    return Request("13800000000", Category.SWITCH, LOCK.uuid, ExecType.CONTROL, "1", action, sent_at, identity=b"1")


def remove(category: Category) -> Request:
    return Request("13800000000", category, LOCK.uuid, ExecType.DELETE, "1", RemoveDevice(), NOON, identity=b"1")


def known(now: datetime | None = NOON, not_before: datetime = EARLIEST) -> TimeKnown:
    return TimeKnown(now, not_before)


@pytest.mark.parametrize(
    ("level", "sent_at", "record", "status"),
    [
        (Permission.CONTROL, NOON, LOCK, None),
        (Permission.DELETE, None, LOCK, None),
        (Permission.QUERY, NOON, LOCK, OperationStatus.PERMISSION_DENIED),
        (Permission.NONE, NOON, None, OperationStatus.PERMISSION_DENIED),  # not even that there is no such device
        (Permission.CONTROL, NOON - timedelta(seconds=31), LOCK, OperationStatus.FAILED),
        (Permission.CONTROL, NOON, None, OperationStatus.NO_SUCH_INFORMATION),
        (Permission.CONTROL, NOON, CURTAIN, OperationStatus.NO_SUCH_INFORMATION),
        (Permission.CONTROL, NOON, UNLINKED, OperationStatus.NO_SUCH_INFORMATION),
    ],
)
def test_request_is_refused_with_the_status_that_fits(
    level: Permission, sent_at: datetime | None, record: Record | None, status: OperationStatus | None
) -> None:
    refused = refusal(unlock(sent_at), Requester(level, is_owner=False), record, known(), timedelta(), TTL)
    assert (refused.status if refused else None) is status


@pytest.mark.parametrize(
    ("category", "is_owner", "refused"),
    [
        (Category.LOCK, True, False),
        (Category.LOCK, False, True),
        (Category.SWITCH, False, False),
    ],
)
def test_lock_is_removed_by_the_owner_alone(category: Category, *, is_owner: bool, refused: bool) -> None:
    record = Record(uuid=LOCK.uuid, category=category, param=LOCK.param)
    requester = Requester(Permission.DELETE, is_owner=is_owner)
    assert (refusal(remove(category), requester, record, known(), timedelta(), TTL) is not None) is refused


@pytest.mark.parametrize(
    ("sent_at", "time", "status"),
    [
        (NOON, known(), None),
        (NOON, known(NOON + TTL), None),
        (NOON, known(NOON + TTL + timedelta(seconds=1)), OperationStatus.FAILED),
        (None, known(), None),
        (NOON + timedelta(minutes=5), known(), None),
        (NOON + timedelta(minutes=5, seconds=1), known(), OperationStatus.BAD_TIME_FORMAT),
        # No clock can be trusted: a lock is not operated, whatever the stamp says.
        (NOON, known(None), OperationStatus.FAILED),
        (None, known(None), OperationStatus.FAILED),
        (datetime(1970, 1, 1, tzinfo=UTC), known(None), OperationStatus.FAILED),
    ],
)
def test_unlock_is_judged_by_the_time_that_is_known(
    sent_at: datetime | None, time: TimeKnown, status: OperationStatus | None
) -> None:
    refused = age_refusal(unlock(sent_at), time, timedelta(), TTL)
    assert (refused.status if refused else None) is status


@pytest.mark.parametrize(
    ("sent_at", "time", "is_refused"),
    [
        (NOON, known(None), False),
        (None, known(None), False),
        (NOON - timedelta(minutes=1), known(None, not_before=NOON), True),
        (NOON, known(None, not_before=NOON), False),
        (datetime(2018, 4, 12, tzinfo=UTC), known(None), True),
    ],
)
def test_switch_without_a_known_time_is_refused_only_what_is_too_old_for_sure(
    sent_at: datetime | None, time: TimeKnown, *, is_refused: bool
) -> None:
    assert (age_refusal(switch_on(sent_at), time, timedelta(), TTL) is not None) is is_refused


@pytest.mark.parametrize("sent_at", [NOON, None])
def test_request_that_waited_longer_than_the_ttl_is_refused(sent_at: datetime | None) -> None:
    refused = age_refusal(unlock(sent_at), known(), TTL + timedelta(seconds=1), TTL)
    assert refused is not None
    assert refused.status is OperationStatus.FAILED


@pytest.mark.parametrize(
    ("fields", "level", "status"),
    [
        ({"hijack_contact_phone": "13825182430"}, Permission.UPDATE, OperationStatus.PERMISSION_DENIED),
        ({"is_push_hijack": False}, Permission.UPDATE, OperationStatus.PERMISSION_DENIED),
        ({"is_push_illegal_unlock": False}, Permission.UPDATE, OperationStatus.PERMISSION_DENIED),
        ({"room_id": 3, "illegal_unlock_alarm_phone1": "1"}, Permission.UPDATE, OperationStatus.PERMISSION_DENIED),
        ({"room_id": 3, "lowpower_limit": 20}, Permission.UPDATE, None),
        ({"hijack_contact_phone": "13825182430"}, Permission.AUTHORIZE, None),
        ({"is_push_hijack": False}, Permission.DELETE, None),
    ],
)
@pytest.mark.parametrize("exectype", [ExecType.UPDATE, ExecType.SET])
def test_what_a_user_may_not_see_he_may_not_change(
    fields: dict[str, int | str], level: Permission, status: OperationStatus | None, exectype: ExecType
) -> None:
    action = UpdateRecord({}, fields)
    request = Request("13800000000", Category.LOCK, LOCK.uuid, exectype, "1", action, NOON, identity=b"1")
    refused = refusal(request, Requester(level, is_owner=False), LOCK, known(), timedelta(0), TTL)
    assert (refused and refused.status) == status
