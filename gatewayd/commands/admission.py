"""Whether a request may be executed: permission (§7), age, and the device it names. Pure functions."""

from datetime import UTC, datetime, timedelta
from typing import Final

from gatewayd.model.errors import GatewayError, RefusedError, UnknownDeviceError
from gatewayd.model.permission import Permission, is_allowed
from gatewayd.model.record import Record
from gatewayd.model.request import Request
from gatewayd.model.status import OperationStatus

_EARLIEST_NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No request can be older than this program."""


def refusal(
    request: Request, level: Permission, record: Record | None, now: datetime | None, ttl: timedelta
) -> GatewayError | None:
    """Why `request` is not executed, with the §9 status to answer; None where it may be.

    `level` is the requester's permission on the device, `record` the device's record in the mirror, `now` the cloud's
    time (None while it is unknown), `ttl` the age above which a request is too old.
    """
    if not is_allowed(level, request.exectype):
        return RefusedError(
            f"{request.user} may not {request.exectype} {request.uuid}", OperationStatus.PERMISSION_DENIED
        )
    if is_too_old(request.sent_at, now, ttl):
        return RefusedError(f"sent at {request.sent_at}: too old to be executed", OperationStatus.FAILED)
    if record is None or record.category is not request.category:
        return UnknownDeviceError(f"no {request.category} {request.uuid} is hosted here")
    if record.unlinked:
        return UnknownDeviceError(f"the cloud has no device {request.uuid} any more")
    return None


def is_too_old(sent_at: datetime | None, now: datetime | None, ttl: timedelta) -> bool:
    """Whether a request sent at `sent_at` is older than `ttl` at `now`.

    A request without a stamp is not: it is as old as its arrival. While the cloud's time is unknown, a request counts
    as too old only if it was sent before this program existed: a board whose clock starts in 1970 would otherwise
    refuse every request. A stamp in the future is that of a phone whose clock is fast.
    """
    return sent_at is not None and (now or _EARLIEST_NOW) - sent_at > ttl
