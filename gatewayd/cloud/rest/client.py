"""The cloud as one object: a section of the API is an attribute, an endpoint a method of it.

The token is got by logging in, and got again once when the cloud refuses it. The endpoints stand in `endpoints`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from gatewayd.cloud.rest.accounts import AccountsApi
from gatewayd.cloud.rest.authorizations import AuthorizationsApi
from gatewayd.cloud.rest.batch import BatchApi
from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.errors import LoginRefusedError, RefusedByCloudError, UnreadableAnswerError
from gatewayd.cloud.rest.keys import KeysApi
from gatewayd.cloud.rest.members import MembersApi
from gatewayd.cloud.rest.messages import MessagesApi
from gatewayd.cloud.rest.passwords import TemporaryPasswordsApi
from gatewayd.cloud.rest.records import RecordsApi
from gatewayd.cloud.rest.releases import ReleasesApi
from gatewayd.cloud.rest.service import ServiceApi
from gatewayd.cloud.rest.spaces import HomesApi, SpacesApi
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.rest.versions import VersionsApi

log = structlog.get_logger()

FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 1800.0

UNKNOWN_USER: Final = 400010
EXISTS: Final = 400064
GONE: Final = 400065
NO_SPACE: Final = 400074


@dataclass(frozen=True, slots=True)
class Credentials:
    """The gateway's account, and the uuid that it logs in with."""

    username: str
    password: str = field(repr=False)
    uuid: str = ""
    register: bool = True


class Login:
    """A login that keeps its distance: after a refusal the cloud is not asked before a pause, each twice the last."""

    def __init__(self, log_in: Callable[[], Awaitable[str]], *, first_pause_s: float) -> None:
        self._log_in = log_in
        self._first_pause_s = first_pause_s
        self._pause_s = first_pause_s
        self._not_before = 0.0
        self._reason = ""

    async def __call__(self) -> str:
        """A token. Raises NotLetInError, without asking the cloud while a pause lasts; CloudUnavailableError."""
        clock = asyncio.get_running_loop().time
        if (left := self._not_before - clock()) > 0:
            raise LoginRefusedError(f"{self._reason}; the cloud is asked again in {left:.0f} s")
        try:
            token = await self._log_in()
        except RefusedByCloudError as error:
            self._reason, self._not_before = str(error), clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise LoginRefusedError(self._reason) from error
        self._pause_s = self._first_pause_s
        return token


class CloudClient:
    """Typed calls with a token that renews itself. Made by `connect`."""

    def __init__(self, transport: Transport, credentials: Credentials, *, login_pause_s: float = FIRST_PAUSE_S) -> None:
        self._credentials = credentials
        login = Login(self._logged_in_or_registered, first_pause_s=login_pause_s)
        self._caller = caller = Caller(transport, login)
        self.accounts = AccountsApi(caller)  # §1, §2.4
        self.records = RecordsApi(caller)  # §2.1
        self.authorizations = AuthorizationsApi(caller)  # §2.2
        self.spaces = SpacesApi(caller)  # §2.3
        self.batch = BatchApi(caller)  # §2.5
        self.members = MembersApi(caller)  # §2.7
        self.keys = KeysApi(caller)  # §2.8
        self.messages = MessagesApi(caller)  # §2.6, §2.9
        self.passwords = TemporaryPasswordsApi(caller)  # §2.10
        self.homes = HomesApi(caller)  # §2.11
        self.versions = VersionsApi(caller)  # §2.12
        self.service = ServiceApi(caller)  # §2.13, §2.15, §11
        self.releases = ReleasesApi(caller)  # §3.2

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, transport: Transport, credentials: Credentials, *, login_pause_s: float = FIRST_PAUSE_S
    ) -> AsyncIterator["CloudClient"]:
        """A client on `transport`, until this is left; after a refused login it waits before it tries another."""
        async with transport:
            yield cls(transport, credentials, login_pause_s=login_pause_s)

    async def log_in(self) -> None:
        """§1.3, and §2.4 first where the cloud does not know the account. Raises NotLetInError, CloudError."""
        await self._caller.log_in()

    async def _logged_in_or_registered(self) -> str:
        who = self._credentials
        try:
            token = await self._logged_in()
        except RefusedByCloudError as error:
            if error.code != UNKNOWN_USER or not who.register:
                raise
            await self.accounts.register_gateway(who.username, who.password)
            log.info("cloud_registered", username=who.username)
            token = await self._logged_in()
        log.info("cloud_logged_in", username=who.username)
        return token

    async def _logged_in(self) -> str:
        who = self._credentials
        user = await self.accounts.log_in(who.username, who.password, uuid=who.uuid)
        if not user.token:
            raise UnreadableAnswerError("the login succeeded and gave no token")
        return user.token
