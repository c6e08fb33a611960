"""§2.2 Authorization: the permissions of users on devices that other users own."""

from collections.abc import AsyncIterator

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id


class Authorization(ApiObject, frozen=True, kw_only=True):
    """The user `authorized_id` has the level `perm` (§7: 1 to 7) on the device `info_id`, given by `authorizer_id`.

    `perm` is sent as a number and received in quotes; both are decoded.
    """

    id: Id | None = None
    info_id: int | None = None
    authorizer_id: int | None = None
    authorized_id: int | None = None
    remarks: str | None = None
    perm: int


class AuthorizationsApi:
    """§2.2. `create` and `update` return the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(self) -> AsyncIterator[Authorization]:
        """All authorizations that the user gave or received."""
        return self._session.list_objects("authorizations.list", Authorization)

    async def get(self, id_: int) -> Authorization:
        """The authorization with that id. Raises NotFoundError."""
        return await self._session.call_for_object("authorizations.get", Authorization, id_=id_)

    async def create(self, authorization: Authorization) -> Authorization:
        """Create `authorization`.

        Raises AlreadyExistsError, NotFoundError (device or user), ForbiddenError, UncertainError; RefusedByCloudError
        (400086) where a permission would be passed on a second time.
        """
        return await self._session.send_object("authorizations.create", authorization)

    async def update(self, authorization: Authorization) -> Authorization:
        """Change the level of the authorization. Raises NotFoundError, ForbiddenError."""
        return await self._session.send_object("authorizations.update", authorization, id_=authorization.id)

    async def delete(self, id_: int) -> None:
        """Delete the authorization with that id. Raises NotFoundError, ForbiddenError."""
        await self._session.call("authorizations.delete", id_=id_)
