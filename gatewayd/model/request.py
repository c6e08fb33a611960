"""Requests and answers, decoded and valid: a transport decodes a request, `commands/` executes it.

An action is one dataclass a kind, so that its type alone says who handles it. The API's numbers (`param.operate`,
`keytype`) are enums here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from gatewayd.model.change import Scalar
from gatewayd.model.ids import Category, ExecType, Sn, Uuid
from gatewayd.model.lock import KeyType
from gatewayd.model.record import Record
from gatewayd.model.status import OperationStatus


class SwitchOperation(IntEnum):
    """`param.operate` of a switch or a socket (§12.4); the record shows the last one."""

    OFF = 0
    ON = 1
    TOGGLE = 2


class LockOperation(IntEnum):
    """`param.operate` of a lock (§12.2); the record shows the lock's state by it: locked, unlocked, held open."""

    LOCK = 0
    UNLOCK = 1
    HOLD_OPEN = 2


class CurtainOperation(IntEnum):
    """`param.operate` of a curtain; the record shows the last one."""

    CLOSE = 0
    OPEN = 1
    STOP = 2


@dataclass(frozen=True, slots=True)
class PermitJoin:
    """Let devices join for `duration_s` seconds, 0 to 254 (gateway, `create`)."""

    duration_s: int = 60


@dataclass(frozen=True, slots=True)
class OperateSwitch:
    """Switch one channel of a switch or socket, or all of them with `channel` 0 (`control`)."""

    operation: SwitchOperation
    channel: int = 0


@dataclass(frozen=True, slots=True)
class OperateLock:
    """Lock, unlock or hold open (`control`), with the PIN of a user where the lock asks for one."""

    operation: LockOperation
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OperateCurtain:
    """Move a curtain (`control`): as `operation` says, or to `position` (per cent open) where that is given."""

    operation: CurtainOperation
    position: int | None = None


Operate = OperateSwitch | OperateLock | OperateCurtain


@dataclass(frozen=True, slots=True)
class Query:
    """Answer with the record, read anew from the device (`query`)."""


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """Change fields that the household owns (`update`: title, icon, room …; `set`: parameters).

    `header` and `param` hold the new values by their names in `Record` and its param.
    """

    header: Mapping[str, Scalar]
    param: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Remove the device from the network (`delete`)."""


@dataclass(frozen=True, slots=True)
class AddKey:
    """Add a key to a lock (lock, `create`; §2.8)."""

    key_type: KeyType
    name: str
    slot: int | None = None  # None: the first free one
    pin: str | None = field(default=None, repr=False)
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """Remove a key from a lock (lock, `delete` with `keyid`)."""

    slot: int


Action = PermitJoin | Operate | Query | UpdateRecord | RemoveDevice | AddKey | RemoveKey


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `user` is who asks, as the transport vouches for it.

    `identity` tells it from every other request: two requests of the same identity are one that came twice. A transport
    makes it of all that it received (over MQTT: topic and payload); `sn` alone names nothing, since apps count from 1.
    """

    user: str
    category: Category
    uuid: Uuid
    exectype: ExecType
    sn: Sn
    action: Action
    sent_at: datetime | None = None  # the requester's own stamp, aware
    sent_after: float | None = None
    """A moment (`boottime_s`) after which it was sent, by what the transport knows, whatever its stamp says. None: it
    does not wait in the transport.
    """
    identity: bytes = field(kw_only=True)
    answer_by: float | None = field(default=None, kw_only=True, compare=False)
    """When its final answer is due, by the event loop's clock; the executor sets it before it calls the handler."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The final answer to a request: a §9 status, and the device's record as it is now, where there is one."""

    status: OperationStatus
    record: Record | None = None
