"""Which requests may be executed: by permission, age and the device that they name."""

from datetime import UTC, datetime, timedelta

import pytest

from gatewayd.commands.admission import is_too_old, refusal
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.permission import Permission
from gatewayd.model.record import CurtainParam, LockParam, Record
from gatewayd.model.request import LockOperation, OperateLock, Request
from gatewayd.model.status import OperationStatus

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TTL = timedelta(seconds=30)
LOCK = Record(uuid=Uuid("00158d0003b00001"), category=Category.LOCK, param=LockParam())
UNLINKED = Record(uuid=LOCK.uuid, category=Category.LOCK, param=LockParam(), unlinked=True)
CURTAIN = Record(uuid=LOCK.uuid, category=Category.CURTAIN, param=CurtainParam())


def unlock(sent_at: datetime | None = NOON) -> Request:
    action = OperateLock(LockOperation.UNLOCK)
    return Request("13800000000", Category.LOCK, LOCK.uuid, ExecType.CONTROL, "1", action, sent_at, identity=b"1")


@pytest.mark.parametrize(
    ("level", "sent_at", "record", "status"),
    [
        (Permission.CONTROL, NOON, LOCK, None),
        (Permission.DELETE, None, LOCK, None),
        (Permission.QUERY, NOON, LOCK, OperationStatus.PERMISSION_DENIED),
        (Permission.NONE, NOON, None, OperationStatus.PERMISSION_DENIED),  # whoever may nothing learns nothing
        (Permission.CONTROL, NOON - timedelta(seconds=31), LOCK, OperationStatus.FAILED),
        (Permission.CONTROL, NOON, None, OperationStatus.NO_SUCH_INFORMATION),
        (Permission.CONTROL, NOON, CURTAIN, OperationStatus.NO_SUCH_INFORMATION),
        (Permission.CONTROL, NOON, UNLINKED, OperationStatus.NO_SUCH_INFORMATION),
    ],
)
def test_request_is_refused_with_the_status_that_fits(
    level: Permission, sent_at: datetime | None, record: Record | None, status: OperationStatus | None
) -> None:
    refused = refusal(unlock(sent_at), level, record, NOON, TTL)
    assert (refused.status if refused else None) is status


@pytest.mark.parametrize(
    ("sent_at", "now", "too_old"),
    [
        (NOON, NOON, False),
        (NOON, NOON + TTL, False),
        (NOON, NOON + TTL + timedelta(seconds=1), True),
        (None, NOON, False),
        (NOON + timedelta(minutes=3), NOON, False),
        (NOON, None, False),  # the cloud's time is not known yet
        (datetime(2018, 4, 12, tzinfo=UTC), None, True),
        (datetime(1970, 1, 1, tzinfo=UTC), None, True),
    ],
)
def test_age_is_judged_by_the_clouds_time(sent_at: datetime | None, now: datetime | None, *, too_old: bool) -> None:
    assert is_too_old(sent_at, now, TTL) is too_old
