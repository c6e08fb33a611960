"""§1 and §2.4: users, and the gateway's own account."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from gatewayd.cloud.rest.caller import Caller
from gatewayd.cloud.rest.endpoints import ENDPOINTS
from gatewayd.cloud.rest.rows import ApiRow, Id


class UserProfile(ApiRow, frozen=True, kw_only=True):
    """A user as he sees himself (§1.3, §1.4, §1.8). `extra` has the `user_*` roles and what else comes."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"token", "extend_userinfo"})

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


class Registration(ApiRow, frozen=True, kw_only=True):
    """§1.2, and §1.12 where there is a `wechat_service`. The API says "none" for what is not given."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"password", "sms_code"})

    username: str
    password: str
    sms_code: int | str
    email: str = "none"
    first_name: str = "none"
    last_name: str = "none"
    wechat_service: str | None = None


class Avatar(ApiRow, frozen=True, kw_only=True):
    """§1.9. `image_type` jpg, png or bmp; `image_size` in bytes, as text; `data_type` base64, raw or hex."""

    image_type: str
    image_size: str
    image_name: str
    data_type: str
    image_data: str | None = None
    avatar_url: str | None = None


class GatewayAccount(ApiRow, frozen=True, kw_only=True):
    """§2.4: the account that a gateway gets."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"token"})

    id: Id
    token: str | None = None


class AccountsApi:
    """§1 and §2.4, call by call. Logging in for the client's own calls happens by itself."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def request_code(self, username: str) -> None:
        """§1.1: send a code to the phone of that number. Raises RefusedByCloudError (400001: it has an account)."""
        await self._caller.msg("accounts.request_code", params={"username": username})

    async def register(self, registration: Registration) -> None:
        """§1.2, or §1.12 for a user of WeChat. Raises RefusedByCloudError (400007, 400009), UncertainError."""
        name = "accounts.register" if registration.wechat_service is None else "accounts.register_external"
        said = msgspec.to_builtins(registration) | {"password_2": registration.password}
        await self._caller.msg(name, params={one: said[one] for one in ENDPOINTS[name].known})

    async def log_in(
        self, username: str, password: str, *, uuid: str = "", devtype: str = "emb", language: str = "chs"
    ) -> UserProfile:
        """§1.3: the user, with a token. Raises RefusedByCloudError (400010 unknown, 400012 wrong password)."""
        said = {"username": username, "password": password, "language": language, "uuid": uuid, "devtype": devtype}
        return await self._user("accounts.log_in", params=said)

    async def profile(self) -> UserProfile:
        """§1.4: who the client's own user is."""
        return await self._user("accounts.profile")

    async def change_password(self, username: str, old: str, new: str) -> None:
        """§1.5. Raises RefusedByCloudError (401017: the old one is wrong), UncertainError."""
        said = {"username": username, "old_password": old, "new_password": new, "new_password_2": new}
        await self._caller.msg("accounts.change_password", params=said)

    async def request_reset_code(self, username: str) -> None:
        """§1.6: send a code for `reset_password`."""
        await self._caller.msg("accounts.request_reset_code", params={"username": username})

    async def reset_password(self, username: str, sms_code: str, new: str) -> None:
        """§1.7. Raises RefusedByCloudError (401024: not that code), UncertainError."""
        said = {"username": username, "sms_code": sms_code, "new_password": new, "new_password_2": new}
        await self._caller.msg("accounts.reset_password", params=said)

    async def update_profile(
        self, *, profile: Mapping[str, str] | None = None, user: Mapping[str, str] | None = None
    ) -> UserProfile:
        """§1.8: `profile` (avatar_url, signature, …) and `user` (email, first_name, last_name)."""
        said = {"profile": profile, "user": user}
        return await self._user("accounts.update_profile", params={one: said[one] for one in said if said[one]})

    async def update_avatar(self, avatar: Avatar) -> Avatar:
        """§1.9: the picture's address stands in the answer. Raises RefusedByCloudError (400031, 400032)."""
        name = "accounts.update_avatar"
        said = msgspec.to_builtins(avatar)
        return await self._caller.bare(name, Avatar, params={one: said[one] for one in ENDPOINTS[name].known})

    async def avatar(self, user_id: int) -> bytes:
        """§1.10: the picture. Raises RefusedByCloudError (400036: there is none)."""
        endpoint, transport = ENDPOINTS["accounts.avatar"], self._caller.transport
        return await self._caller.with_token(lambda token: transport.picture(endpoint, id_=user_id, token=token))

    async def external_username(self, external_id: str) -> UserProfile:
        """§1.11: whose account a user of WeChat has. Raises RefusedByCloudError (400038: nobody's yet)."""
        return await self._user("accounts.external_username", id_=external_id)

    async def register_gateway(self, username: str, password: str) -> GatewayAccount:
        """§2.4. Raises RefusedByCloudError, UncertainError."""
        params = {"username": username, "password": password}
        return await self._caller.row("accounts.register_gateway", GatewayAccount, params=params)

    async def _user(self, name: str, **call: Any) -> UserProfile:
        return await self._caller.bare(name, UserProfile, **call)
