"""§2.3 and §2.11: the units, floors and rooms of a home, and the home."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.rows import ApiRow, Id


class Space(ApiRow, frozen=True, kw_only=True):
    """`type` is "unit", "floor" or "room". What is above it goes out as `superior_id`, which the cloud asks for (§2.5's
    `err`), and comes as `superior` (§2.3) or `superior_id` (§2.5). Without a home it goes to the user's own.
    """

    ALSO: ClassVar[Mapping[str, str]] = {"superior": "superior_id"}

    id: Id | None = None
    home_id: int | None = None
    superior_id: int | None = None
    type: str = "room"
    icon: str | None = None
    title: str = ""
    is_default: bool = False


class Home(ApiRow, frozen=True, kw_only=True):
    """§2.11 shows no example: an id, a name and an icon, and whatever else comes in `extra`."""

    id: Id | None = None
    user_id: int | None = None
    title: str | None = None
    icon: str | None = None


class SpacesApi:
    """§2.3, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncIterator[Space]:
        """All of the user's."""
        return self._caller.rows("spaces.list", Space)

    async def get(self, id_: int) -> Space:
        """Raises NotThereError."""
        return await self._caller.row("spaces.get", Space, id_=id_)

    async def create(self, space: Space) -> Space:
        """Raises AlreadyThereError, NotThereError (the home, the space above), BadParametersError, UncertainError."""
        return await self._caller.say("spaces.create", space)

    async def update(self, space: Space) -> Space:
        """Raises NotThereError, AlreadyThereError."""
        return await self._caller.say("spaces.update", space, id_=space.id)

    async def delete(self, id_: int) -> None:
        """Raises NotThereError; RefusedByCloudError 400083 for a default space."""
        await self._caller.msg("spaces.delete", id_=id_)


class HomesApi:
    """§2.11, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncIterator[Home]:
        """The homes of the user; the API does not say whether there can be many."""
        return self._caller.rows("homes.list", Home)

    async def update(self, home: Home) -> Home:
        """Raises ForbiddenError, RefusedByCloudError."""
        return await self._caller.say("homes.update", home, id_=home.id)
