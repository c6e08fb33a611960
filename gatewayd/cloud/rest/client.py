"""The cloud's REST API as one object: a section of the API is an attribute, an endpoint is a method of it.

This module logs in, and registers the gateway's account where needed. The endpoints stand in `endpoints`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from gatewayd.backoff import Backoff, Retries
from gatewayd.cloud.rest.accounts import AccountsApi
from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.authorizations import AuthorizationsApi
from gatewayd.cloud.rest.batch import BatchApi
from gatewayd.cloud.rest.errors import LoginRefusedError, RefusedByCloudError, UnreadableAnswerError
from gatewayd.cloud.rest.homes import HomesApi
from gatewayd.cloud.rest.keys import KeysApi
from gatewayd.cloud.rest.members import MembersApi
from gatewayd.cloud.rest.messages import MessagesApi
from gatewayd.cloud.rest.records import RecordsApi
from gatewayd.cloud.rest.releases import ReleasesApi
from gatewayd.cloud.rest.service import ServiceApi
from gatewayd.cloud.rest.spaces import SpacesApi
from gatewayd.cloud.rest.temporary_passwords import TemporaryPasswordsApi
from gatewayd.cloud.rest.transport import Transport
from gatewayd.cloud.rest.versions import VersionsApi
from gatewayd.model.rest_status import USERNAME_NOT_VALID

log = structlog.get_logger()

LOGIN_BACKOFF: Final = Backoff(first_s=30.0, longest_s=1800.0)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The gateway's account, the uuid that it logs in with, and whether to register an account that does not exist."""

    username: str
    password: str = field(repr=False)
    uuid: str = ""
    register: bool = True


class Login:
    """Logs in. After a refusal the cloud is not asked again before a pause, as `backoff` sets it."""

    def __init__(self, log_in: Callable[[], Awaitable[str]], backoff: Backoff) -> None:
        self._log_in = log_in
        self._retries = Retries(backoff)
        self._next_attempt_at = 0.0  # by the loop's clock
        self._refusal = ""

    async def __call__(self) -> str:
        """A new token. Raises LoginRefusedError, during a pause without a call to the cloud; CloudUnavailableError."""
        clock = asyncio.get_running_loop().time
        if (left_s := self._next_attempt_at - clock()) > 0:
            raise LoginRefusedError(f"{self._refusal}; the cloud is asked again in {left_s:.0f} s")
        try:
            token = await self._log_in()
        except RefusedByCloudError as error:
            self._refusal = str(error)
            self._next_attempt_at = clock() + self._retries.next_pause_s()
            raise LoginRefusedError(self._refusal) from error
        self._retries.reset()
        return token


class CloudClient:
    """Typed calls, with a token that is renewed as needed. Made by `connect`."""

    def __init__(
        self, transport: Transport, credentials: Credentials, *, login_backoff: Backoff = LOGIN_BACKOFF
    ) -> None:
        self._credentials = credentials
        self._session = session = ApiSession(transport, Login(self._log_in_or_register, login_backoff))
        self.accounts = AccountsApi(session)  # §1, §2.4
        self.records = RecordsApi(session)  # §2.1
        self.authorizations = AuthorizationsApi(session)  # §2.2
        self.spaces = SpacesApi(session)  # §2.3
        self.batch = BatchApi(session)  # §2.5
        self.members = MembersApi(session)  # §2.7
        self.keys = KeysApi(session)  # §2.8
        self.messages = MessagesApi(session)  # §2.6, §2.9
        self.temporary_passwords = TemporaryPasswordsApi(session)  # §2.10
        self.homes = HomesApi(session)  # §2.11
        self.versions = VersionsApi(session)  # §2.12
        self.service = ServiceApi(session)  # §2.13, §2.15, §11
        self.releases = ReleasesApi(session)  # §3.2

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, transport: Transport, credentials: Credentials, *, login_backoff: Backoff = LOGIN_BACKOFF
    ) -> AsyncIterator["CloudClient"]:
        """A client on `transport`, which is open for as long; `login_backoff` sets the pauses after refused logins."""
        async with transport:
            yield cls(transport, credentials, login_backoff=login_backoff)

    async def log_in(self) -> None:
        """Get a new token (§1.3), after registering where the account does not exist (§2.4).

        Raises LoginRefusedError, CloudError.
        """
        await self._session.log_in()

    async def _log_in_or_register(self) -> str:
        account = self._credentials
        try:
            token = await self._fetch_token()
        except RefusedByCloudError as error:
            if error.code != USERNAME_NOT_VALID or not account.register:
                raise
            await self.accounts.register_gateway(account.username, account.password)
            log.info("cloud_registered", username=account.username)
            token = await self._fetch_token()
        log.info("cloud_logged_in", username=account.username)
        return token

    async def _fetch_token(self) -> str:
        account = self._credentials
        user = await self.accounts.log_in(account.username, account.password, uuid=account.uuid)
        if not user.token:
            raise UnreadableAnswerError("the login succeeded and gave no token")
        if not (user.token.isascii() and user.token.isprintable()):
            raise UnreadableAnswerError("the login succeeded and gave a token that no header can carry")
        return user.token
