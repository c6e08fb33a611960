"""§1 User management, and §2.4 gateway registration: the accounts of users and gateways."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gatewayd.cloud.rest.api_session import ApiSession
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.objects import ApiObject, Id


class UserProfile(ApiObject, frozen=True, kw_only=True):
    """The account that is logged in (§1.3, §1.4, §1.8, §1.11). Its `user_*` roles are in `extra`."""

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"token", "extend_userinfo"})

    id: Id
    username: str
    token: str | None = None
    language: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    is_active: bool = True
    date_joined: str | None = None
    last_login: str | None = None
    avatar_url: str | None = None
    signature: str | None = None
    extend_userinfo: str | None = None
    wechat_service: str | None = None
    qq_service: str | None = None
    ip_joined: str | None = None
    addr_joined: str | None = None


class Registration(ApiObject, frozen=True, kw_only=True):
    """A registration by SMS (§1.2; §1.12 where `wechat_service` is set). The API writes "none" for an empty field."""

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"password", "sms_code"})

    username: str
    password: str
    sms_code: int | str
    email: str = "none"
    first_name: str = "none"
    last_name: str = "none"
    wechat_service: str | None = None


class Avatar(ApiObject, frozen=True, kw_only=True):
    """A user's picture (§1.9). `image_type`: jpg, png, bmp; `image_size`: bytes; `data_type`: base64, raw, hex."""

    image_type: str
    image_size: str
    image_name: str
    data_type: str
    image_data: str | None = None
    avatar_url: str | None = None


class GatewayAccount(ApiObject, frozen=True, kw_only=True):
    """The account of a gateway (§2.4)."""

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"token"})

    id: Id
    token: str | None = None


class AccountsApi:
    """§1 and §2.4. `CloudClient` itself logs in for its own calls."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    async def request_code(self, username: str) -> None:
        """§1.1: send a code to the phone `username`. Raises AlreadyExistsError where it has an account."""
        await self._session.call("accounts.request_code", params={"username": username})

    async def register(self, registration: Registration) -> None:
        """§1.2, or §1.12 for a WeChat user. Raises AlreadyExistsError, RefusedByCloudError (400009: wrong code),
        UncertainError.
        """
        name = "accounts.register" if registration.wechat_service is None else "accounts.register_external"
        fields = msgspec.to_builtins(registration) | {"password_2": registration.password}
        await self._session.call(name, params={param: fields[param] for param in ENDPOINTS[name].params_known})

    async def log_in(
        self, username: str, password: str, *, uuid: str = "", devtype: str = "emb", language: str = "chs"
    ) -> UserProfile:
        """§1.3: the user, with a token. Raises NotFoundError (400010), RefusedByCloudError (400012: wrong password)."""
        params = {"username": username, "password": password, "language": language, "uuid": uuid, "devtype": devtype}
        return await self._call_for_user("accounts.log_in", params=params)

    async def profile(self) -> UserProfile:
        """§1.4: the client's own user."""
        return await self._call_for_user("accounts.profile")

    async def change_password(self, username: str, old: str, new: str) -> None:
        """§1.5. Raises RefusedByCloudError (401017: wrong old password), UncertainError."""
        params = {"username": username, "old_password": old, "new_password": new, "new_password_2": new}
        await self._session.call("accounts.change_password", params=params)

    async def request_reset_code(self, username: str) -> None:
        """§1.6: send a code for `reset_password`."""
        await self._session.call("accounts.request_reset_code", params={"username": username})

    async def reset_password(self, username: str, sms_code: str, new: str) -> None:
        """§1.7. Raises NotFoundError, RefusedByCloudError (401024: wrong code), UncertainError."""
        params = {"username": username, "sms_code": sms_code, "new_password": new, "new_password_2": new}
        await self._session.call("accounts.reset_password", params=params)

    async def update_profile(
        self, *, profile: Mapping[str, str] | None = None, user: Mapping[str, str] | None = None
    ) -> UserProfile:
        """§1.8: `profile` (avatar_url, signature, …) and `user` (email, first_name, last_name)."""
        params = {"profile": profile, "user": user}
        return await self._call_for_user(
            "accounts.update_profile", params={name: fields for name, fields in params.items() if fields}
        )

    async def update_avatar(self, avatar: Avatar) -> Avatar:
        """§1.9; the answer has the picture's address. Raises RefusedByCloudError (400031: format, 400032: size)."""
        name = "accounts.update_avatar"
        fields = msgspec.to_builtins(avatar)
        params = {param: fields[param] for param in ENDPOINTS[name].params_known}
        return await self._session.call_for_bare_object(name, Avatar, params=params)

    async def avatar(self, user_id: int) -> bytes:
        """§1.10: the picture. Raises NotFoundError where none is set."""
        endpoint, transport = ENDPOINTS["accounts.avatar"], self._session.transport
        return await self._session.call_with_token(
            lambda token: transport.fetch_image(endpoint, id_=user_id, token=token)
        )

    async def external_username(self, external_id: str) -> UserProfile:
        """§1.11: the account of a WeChat user. Raises NotFoundError (400038) where he has none."""
        return await self._call_for_user("accounts.external_username", id_=external_id)

    async def register_gateway(self, username: str, password: str) -> GatewayAccount:
        """§2.4. Raises RefusedByCloudError, UncertainError."""
        params = {"username": username, "password": password}
        return await self._session.call_for_object("accounts.register_gateway", GatewayAccount, params=params)

    async def _call_for_user(self, name: str, **call: Any) -> UserProfile:
        return await self._session.call_for_bare_object(name, UserProfile, **call)
