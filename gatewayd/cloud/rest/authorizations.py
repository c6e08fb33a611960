"""§2.2: who may do what with whose device."""

from collections.abc import AsyncIterator

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.rows import ApiRow, Id


class Authorization(ApiRow, frozen=True, kw_only=True):
    """`authorized_id` may do with the device `info_id` what level `perm` allows (§7: 1 to 7); `authorizer_id` said so.

    The cloud is asked with a number and answers with one in quotes; both are read.
    """

    id: Id | None = None
    info_id: int | None = None
    authorizer_id: int | None = None
    authorized_id: int | None = None
    remarks: str | None = None
    perm: int


class AuthorizationsApi:
    """§2.2, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncIterator[Authorization]:
        """All that the user gave or got."""
        return self._caller.rows("authorizations.list", Authorization)

    async def get(self, id_: int) -> Authorization:
        """Raises NotThereError."""
        return await self._caller.row("authorizations.get", Authorization, id_=id_)

    async def create(self, authorization: Authorization) -> Authorization:
        """Raises AlreadyThereError, NotThereError (device or user), ForbiddenError, UncertainError;
        RefusedByCloudError 400086 where it would be the third hand.
        """
        return await self._caller.say("authorizations.create", authorization)

    async def update(self, authorization: Authorization) -> Authorization:
        """Another level. Raises NotThereError, ForbiddenError."""
        return await self._caller.say("authorizations.update", authorization, id_=authorization.id)

    async def delete(self, id_: int) -> None:
        """Take it back. Raises NotThereError, ForbiddenError."""
        await self._caller.msg("authorizations.delete", id_=id_)
