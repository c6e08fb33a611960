"""Whether a request may be executed: permission (§7), age, and the device that it names. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gatewayd.model.errors import GatewayError, RefusedError, UnknownDeviceError
from gatewayd.model.ids import Category
from gatewayd.model.permission import Permission, is_allowed
from gatewayd.model.privacy import may_change
from gatewayd.model.record import PARAM_OF, Record
from gatewayd.model.request import OperateLock, RemoveDevice, Request, UpdateRecord
from gatewayd.model.status import OperationStatus

MAX_AHEAD: Final = timedelta(minutes=5)
"""A stamp further ahead of the time is refused: it would keep a request young for as long."""


@dataclass(frozen=True, slots=True)
class Requester:
    """What is known of who asks: the permission on the device (§7), and whether it is the gateway's owner."""

    level: Permission
    is_owner: bool


@dataclass(frozen=True, slots=True)
class TimeKnown:
    """What is known of the time: `now`, None where no clock can be trusted; `not_before`, which is past for sure."""

    now: datetime | None
    not_before: datetime


def refusal(
    request: Request, requester: Requester, record: Record | None, time: TimeKnown, waited: timedelta, ttl: timedelta
) -> GatewayError | None:
    """Why `request` is not executed, with the §9 status to answer; None where it may be.

    `record` is the device's record in the mirror, `waited` how long ago the request can have been sent at most, by what
    its transport knows.
    """
    return (
        _no_permission(request, requester)
        or age_refusal(request, time, waited, ttl)
        or _no_such_device(request, record)
    )


def age_refusal(request: Request, time: TimeKnown, waited: timedelta, ttl: timedelta) -> RefusedError | None:
    """Why `request` is too old to be executed, or may be; None where it is younger than `ttl` for sure enough.

    A request without a stamp is as old as it can be by its way here, and so is one whose stamp says that it is younger:
    the requester's clock may be ahead. While no clock can be trusted, a stamp is only known to be too old where it lies
    before a time that is past; then no lock is operated at all, since an unlock of three weeks ago would be executed
    otherwise. Other devices are: a board without time would switch no lamp.
    """
    if waited > ttl:
        return RefusedError(f"it may be {waited.total_seconds():.0f} s old: too old", OperationStatus.FAILED)
    if time.now is None:
        return _refusal_without_time(request, time.not_before - ttl)
    return None if request.sent_at is None else _refusal_by_stamp(request.sent_at, time.now, ttl)


def _refusal_by_stamp(sent_at: datetime, now: datetime, ttl: timedelta) -> RefusedError | None:
    if now - sent_at > ttl:
        return RefusedError(f"sent at {sent_at}: too old", OperationStatus.FAILED)
    if sent_at - now > MAX_AHEAD:
        return RefusedError(f"sent at {sent_at}: in the future", OperationStatus.BAD_TIME_FORMAT)
    return None


def _refusal_without_time(request: Request, too_old_before: datetime) -> RefusedError | None:
    if request.sent_at is not None and request.sent_at < too_old_before:
        return RefusedError(f"sent at {request.sent_at}: too old", OperationStatus.FAILED)
    if isinstance(request.action, OperateLock):
        return RefusedError("the time is not known: no lock is operated", OperationStatus.FAILED)
    return None


def _no_permission(request: Request, requester: Requester) -> RefusedError | None:
    if not is_allowed(requester.level, request.exectype):
        reason = f"{request.user} may not {request.exectype} {request.uuid}"
    elif request.category is Category.LOCK and isinstance(request.action, RemoveDevice) and not requester.is_owner:
        reason = f"only the owner may remove the lock {request.uuid}"
    elif isinstance(request.action, UpdateRecord) and not may_change(
        requester.level, PARAM_OF[request.category], request.action.param
    ):
        reason = f"{request.user} may not change what he may not see of {request.uuid}"
    else:
        return None
    return RefusedError(reason, OperationStatus.PERMISSION_DENIED)


def _no_such_device(request: Request, record: Record | None) -> UnknownDeviceError | None:
    if record is None or record.category is not request.category:
        return UnknownDeviceError(f"no {request.category} {request.uuid} is hosted here")
    if record.unlinked:
        return UnknownDeviceError(f"the cloud has no device {request.uuid} any more")
    return None
