"""§2.11 home management."""

from collections.abc import AsyncIterator

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id


class Home(ApiObject, frozen=True, kw_only=True):
    """A home. §2.11 shows no example: id, title and icon are assumed, all other keys are in `extra`."""

    id: Id | None = None
    user_id: int | None = None
    title: str | None = None
    icon: str | None = None


class HomesApi:
    """§2.11. `update` returns the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(self) -> AsyncIterator[Home]:
        """The homes of the user; the API does not say whether a user can have several."""
        return self._session.list_objects("homes.list", Home)

    async def update(self, home: Home) -> Home:
        """Update the home with the id of `home`. Raises ForbiddenError, RefusedByCloudError."""
        return await self._session.send_object("homes.update", home, id_=home.id)
