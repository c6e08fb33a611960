"""§2.7 HomeMember Management: the members of a home, with their keys."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from msgspec import field

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.keys import CloudKey
from gatewayd.cloud.rest.objects import ApiObject, Id, decode_object


class Member(ApiObject, frozen=True, kw_only=True):
    """A member. `username` is null where he has no account. `remind_time_start` and `remind_time_end` are "HH:MM"; the
    API does not say whether week0 is Sunday or Monday.
    """

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"keys"})

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
    keys: list[dict[str, Any]] = field(default_factory=list)  # JSON; see `decode_keys`

    def decode_keys(self) -> list[CloudKey]:
        """The member's keys; the reminder fields that the cloud repeats in each key are in its `extra`."""
        return [
            decode_object(key, CloudKey, f"member {self.id} keys[{number}]") for number, key in enumerate(self.keys)
        ]


class MembersApi:
    """§2.7. `create` and `update` return the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(self) -> AsyncIterator[Member]:
        """All members of the user's homes."""
        return self._session.list_objects("members.list", Member)

    async def get(self, id_: int) -> Member:
        """The member with that id. Raises NotFoundError."""
        return await self._session.call_for_object("members.get", Member, id_=id_)

    async def create(self, member: Member) -> Member:
        """Create `member`. Raises AlreadyExistsError, ForbiddenError, UncertainError."""
        return await self._session.send_object("members.create", member)

    async def update(self, member: Member) -> Member:
        """Update the member with the id of `member`. Raises NotFoundError."""
        return await self._session.send_object("members.update", member, id_=member.id)

    async def delete(self, id_: int) -> None:
        """Delete the member with that id. Raises NotFoundError."""
        await self._session.call("members.delete", id_=id_)
