"""What a phone asks and what it is answered, already valid: cloud/ decodes, other rooms carry out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gatewayd.model.change import Scalar
from gatewayd.model.ids import Category, ExecType, Uuid
from gatewayd.model.record import Record
from gatewayd.model.status import OperationStatus


@dataclass(frozen=True, slots=True)
class PermitJoin:
    """Let devices join for `duration_s` seconds, 0 … 254 (gateway, `create`)."""

    duration_s: int = 60


@dataclass(frozen=True, slots=True)
class Operate:
    """Do it (`control`). `operate` is the category's own number; `channel` 0 is all channels."""

    operate: int
    channel: int = 0
    position: int | None = None  # per cent open, for what moves
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Query:
    """Answer with the record, fresh from the radio (`query`)."""


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """Change what the household says of a device (`update`: title, icon, room …; `set`: parameters).

    `header` and `param` hold the fields by their names in `Record` and its param.
    """

    header: Mapping[str, Scalar]
    param: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Take the device off the network (`delete`)."""


@dataclass(frozen=True, slots=True)
class AddKey:
    """Put a key into a lock (lock, `create`). `key_type`: 0 password, 1 fingerprint, 2 card, 3 mechanical (§2.8)."""

    key_type: int
    name: str
    slot: int | None = None  # None: the first free one
    pin: str | None = field(default=None, repr=False)
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """Take a key out of a lock (lock, `delete` with `keyid`)."""

    slot: int


Action = PermitJoin | Operate | Query | UpdateRecord | RemoveDevice | AddKey | RemoveKey


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as the topic and the payload say it. (user, sn) names it for ever."""

    user: str
    category: Category
    uuid: Uuid
    exectype: ExecType
    sn: str
    action: Action
    sent_at: datetime | None = None  # the phone's own stamp, aware


@dataclass(frozen=True, slots=True)
class Answer:
    """The final word on a request: a §9 meaning and the device's record as it stands now, where there is one."""

    status: OperationStatus
    record: Record | None = None


Handler = Callable[[Request], Awaitable[Answer]]
"""Carries out a request and returns its final answer; raises GatewayError, whose `status` is the answer then."""
