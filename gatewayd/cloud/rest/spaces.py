"""§2.3 Space: the units, floors and rooms of a home."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id


class Space(ApiObject, frozen=True, kw_only=True):
    """A space. `type` is "unit", "floor" or "room". The space above it is sent as `superior_id`, which the cloud
    requires (§2.5's `err`), and received as `superior` (§2.3) or `superior_id` (§2.5). The default of `home_id` is the
    user's own home.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {"superior": "superior_id"}

    id: Id | None = None
    home_id: int | None = None
    superior_id: int | None = None
    type: str = "room"
    icon: str | None = None
    title: str = ""
    is_default: bool = False


class SpacesApi:
    """§2.3. `create` and `update` return the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(self) -> AsyncIterator[Space]:
        """All spaces of the user."""
        return self._session.list_objects("spaces.list", Space)

    async def get(self, id_: int) -> Space:
        """The space with that id. Raises NotFoundError."""
        return await self._session.call_for_object("spaces.get", Space, id_=id_)

    async def create(self, space: Space) -> Space:
        """Create `space`.

        Raises AlreadyExistsError, NotFoundError (the home, the space above), BadParametersError, UncertainError.
        """
        return await self._session.send_object("spaces.create", space)

    async def update(self, space: Space) -> Space:
        """Update the space with the id of `space`. Raises NotFoundError, AlreadyExistsError."""
        return await self._session.send_object("spaces.update", space, id_=space.id)

    async def delete(self, id_: int) -> None:
        """Delete the space with that id. Raises NotFoundError; RefusedByCloudError (400083) for a default space."""
        await self._session.call("spaces.delete", id_=id_)
