"""§2.10: temporary passwords, which the cloud knows as a list and can neither change nor take back."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.rows import ApiRow, Id


class TemporaryPassword(ApiRow, frozen=True, kw_only=True):
    """A password of a lock from `start_time` to `end_time` ("2018-07-06 10:30", the home's zone).

    `duration` is in minutes. The cloud sends the password itself (`temporary_password`) to the phone and shows it to
    nobody: in its answers it is missing. It is asked for as `authorizer_id` and answered as `authorizer`.
    """

    SECRET: ClassVar[frozenset[str]] = frozenset({"temporary_password"})
    ALSO: ClassVar[Mapping[str, str]] = {"authorizer": "authorizer_id"}

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
    """§2.10, call by call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self) -> AsyncIterator[TemporaryPassword]:
        """All that the user gave or got."""
        return self._caller.rows("passwords.list", TemporaryPassword)

    async def create(self, password: TemporaryPassword) -> TemporaryPassword:
        """Raises NotThereError (the lock, the authorizer), ForbiddenError, UncertainError."""
        return await self._caller.say("passwords.create", password)
