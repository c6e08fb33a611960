"""§2.10 temporary password. The API lists and creates them; it can neither change nor delete one."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.objects import ApiObject, Id


class TemporaryPassword(ApiObject, frozen=True, kw_only=True):
    """A password of the lock `info_id` from `start_time` to `end_time` ("2018-07-06 10:30", the home's zone).

    `duration` is in minutes. The cloud sends `temporary_password` to `phone`; its answers do not contain it.
    `authorizer_id` is sent, `authorizer` is received.
    """

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"temporary_password"})
    ALIASES: ClassVar[Mapping[str, str]] = {"authorizer": "authorizer_id"}

    id: Id | None = None
    authorizer_id: int | None = None
    info_id: int | None = None
    phone: str = ""
    start_time: str = ""
    end_time: str = ""
    duration: int = 0
    temporary_password: str | None = None
    title: str | None = None
    description: str | None = None
    created_time: str | None = None


class TemporaryPasswordsApi:
    """§2.10. `create` returns the object as the cloud stores it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def list(self) -> AsyncIterator[TemporaryPassword]:
        """All temporary passwords that the user gave or received."""
        return self._session.list_objects("temporary_passwords.list", TemporaryPassword)

    async def create(self, password: TemporaryPassword) -> TemporaryPassword:
        """Create `password`. Raises NotFoundError (the lock, the authorizer), ForbiddenError, UncertainError."""
        return await self._session.send_object("temporary_passwords.create", password)
