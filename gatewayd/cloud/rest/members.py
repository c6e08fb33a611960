"""§2.7: who lives in a home, with the keys that each has."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from msgspec import field

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.rows import ApiRow, Id, read_row


class Member(ApiRow, frozen=True, kw_only=True):
    """`username` is null where the member has no account. Reminders: from and to "08:30", week0 is Sunday or Monday,
    the API does not say which.
    """

    SECRET: ClassVar[frozenset[str]] = frozenset({"keys"})

    id: Id | None = None
    home_id: int | None = None
    user_id: int | None = None
    title: str = ""
    icon: str | None = None
    username: str | None = None
    is_remind: bool = False
    remind_time_start: str | None = None
    remind_time_end: str | None = None
    is_remind_week0: bool = False
    is_remind_week1: bool = False
    is_remind_week2: bool = False
    is_remind_week3: bool = False
    is_remind_week4: bool = False
    is_remind_week5: bool = False
    is_remind_week6: bool = False
    keys: list[dict[str, Any]] = field(default_factory=list)  # as they came; `held` reads them

    def held(self) -> list[CloudKey]:
        """The member's keys; the reminders that the cloud repeats in each stand in its `extra`."""
        return [read_row(key, CloudKey, f"member {self.id} keys[{number}]") for number, key in enumerate(self.keys)]


class MembersApi:
    """§2.7, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncIterator[Member]:
        """All members of the user's homes."""
        return self._caller.rows("members.list", Member)

    async def get(self, id_: int) -> Member:
        """Raises NotThereError."""
        return await self._caller.row("members.get", Member, id_=id_)

    async def create(self, member: Member) -> Member:
        """Raises AlreadyThereError, ForbiddenError, UncertainError."""
        return await self._caller.say("members.create", member)

    async def update(self, member: Member) -> Member:
        """Raises NotThereError."""
        return await self._caller.say("members.update", member, id_=member.id)

    async def delete(self, id_: int) -> None:
        """Raises NotThereError."""
        await self._caller.msg("members.delete", id_=id_)
