"""§1 and §2.4: accounts of users and gateways: codes by SMS, passwords, profiles, pictures."""

import base64
import binascii
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from gatewayd.simulator.cloud.calls import (
    BAD_PARAMETERS,
    HttpCall,
    HttpReply,
    HttpRoute,
    StatusError,
    optional,
    required,
    single_page,
)
from gatewayd.simulator.cloud.database import Row

_PROFILE_ANSWER: Final = (
    "wechat_service", "ip_joined", "qq_service", "addr_joined", "language", "id", "username", "first_name",
    "last_name", "last_login", "email", "date_joined", "token", "avatar_url", "signature", "extend_userinfo",
)  # fmt: skip
_PROFILE_COLUMNS: Final = (
    "wechat_service", "ip_joined", "qq_service", "addr_joined", "avatar_url", "signature", "extend_userinfo",
)  # fmt: skip
_USER_COLUMNS: Final = ("email", "first_name", "last_name")
_ROLES: Final = ("user_manager", "user_guest", "user_iot", "user_aacloud", "user_health")
_PICTURES: Final = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp"}
_MAX_PICTURE: Final = 2 << 20


class AccountError(IntEnum):
    """The codes of §1 for what is wrong with a request, other than BAD_PARAMETERS."""

    USER_EXISTS = 400001  # §1.1
    BAD_PHONE_NUMBER = 400002  # §1.1, §1.6
    EMAIL_EXISTS = 400004  # §1.2
    NEW_PASSWORD_LENGTH = 400005
    NEW_PASSWORDS_DIFFER = 400006
    USERNAME_EXISTS = 400007
    BAD_SMS_CODE = 400009
    LOGIN_UNKNOWN_USER = 400010  # §1.3
    LOGIN_INACTIVE = 400011
    LOGIN_WRONG_PASSWORD = 400012
    LOGIN_NO_USERNAME = 400013
    CHANGE_UNKNOWN_USER = 400018  # §1.5
    CHANGE_PASSWORDS_DIFFER = 400019
    CHANGE_BAD_PASSWORD = 400020
    CHANGE_WRONG_PASSWORD = 401017
    RESET_UNKNOWN_USER = 400025  # §1.7
    RESET_PASSWORDS_DIFFER = 400026
    RESET_BAD_PASSWORD = 400027
    RESET_BAD_SMS_CODE = 401024
    PICTURE_FORMAT = 400031  # §1.9
    PICTURE_SIZE = 400032
    NO_PICTURE = 400036  # §1.10
    NO_EXTERNAL_USER = 400038  # §1.11


def request_code(call: HttpCall) -> HttpReply:
    """§1.1: a code for a phone number without an account."""
    username = _phone_number(call)
    if call.state.account_by_name(username) is not None:
        raise StatusError(AccountError.USER_EXISTS)
    return _send_code(call, username)


def request_reset_code(call: HttpCall) -> HttpReply:
    """§1.6: a code for a phone number with an account; without one, the status is that of §1.1."""
    username = _phone_number(call)
    if call.state.account_by_name(username) is None:
        raise StatusError(AccountError.BAD_PHONE_NUMBER)
    return _send_code(call, username)


def register(call: HttpCall) -> HttpReply:
    """§1.2, and §1.12 with a `wechat_service`."""
    names = ("username", "email", "password", "password_2", "first_name", "last_name")
    fields = {name: required(call.fields, name, str) for name in names}
    if call.state.account_by_name(fields["username"]) is not None:
        raise StatusError(AccountError.USERNAME_EXISTS)
    query = "SELECT id FROM accounts WHERE email = ? AND email != 'none'"
    if call.state.db.one(query, fields["email"]) is not None:
        raise StatusError(AccountError.EMAIL_EXISTS)
    _check_new_password(
        fields["password"],
        fields["password_2"],
        bad=AccountError.NEW_PASSWORD_LENGTH,
        differ=AccountError.NEW_PASSWORDS_DIFFER,
    )
    _use_code(call, fields["username"], wrong=AccountError.BAD_SMS_CODE)
    columns = {name: fields[name] for name in ("email", "first_name", "last_name")}
    columns["wechat_service"] = optional(call.fields, "wechat_service", str) or ""
    call.state.register(fields["username"], fields["password"], **columns)
    return HttpReply(200002, fields)


def log_in(call: HttpCall) -> HttpReply:
    """§1.3."""
    fields = call.fields
    if not fields.get("username"):
        raise StatusError(AccountError.LOGIN_NO_USERNAME)
    account = call.state.account_by_name(required(fields, "username", str))
    if account is None:
        raise StatusError(AccountError.LOGIN_UNKNOWN_USER)
    if not account["is_active"]:
        raise StatusError(AccountError.LOGIN_INACTIVE)
    if account["password"] != required(fields, "password", str):
        raise StatusError(AccountError.LOGIN_WRONG_PASSWORD)
    call.state.db.change(
        "accounts", account["id"], {"language": optional(fields, "language", str) or account["language"]}
    )
    call.state.log_in(account["id"])
    return HttpReply(200003, _profile(call, account["id"]))


def profile(call: HttpCall) -> HttpReply:
    """§1.4."""
    return HttpReply(200004, _profile(call, call.account["id"]))


def change_password(call: HttpCall) -> HttpReply:
    """§1.5."""
    fields = {
        name: required(call.fields, name, str)
        for name in ("username", "old_password", "new_password", "new_password_2")
    }
    account = call.state.account_by_name(fields["username"])
    if account is None:
        raise StatusError(AccountError.CHANGE_UNKNOWN_USER)
    if account["password"] != fields["old_password"]:
        raise StatusError(AccountError.CHANGE_WRONG_PASSWORD)
    _check_new_password(
        fields["new_password"],
        fields["new_password_2"],
        bad=AccountError.CHANGE_BAD_PASSWORD,
        differ=AccountError.CHANGE_PASSWORDS_DIFFER,
    )
    return HttpReply(200005, _set_password(call, account, fields["new_password"]))


def reset_password(call: HttpCall) -> HttpReply:
    """§1.7."""
    fields = {name: required(call.fields, name, str) for name in ("username", "new_password", "new_password_2")}
    account = call.state.account_by_name(fields["username"])
    if account is None:
        raise StatusError(AccountError.RESET_UNKNOWN_USER)
    _check_new_password(
        fields["new_password"],
        fields["new_password_2"],
        bad=AccountError.RESET_BAD_PASSWORD,
        differ=AccountError.RESET_PASSWORDS_DIFFER,
    )
    _use_code(call, fields["username"], wrong=AccountError.RESET_BAD_SMS_CODE)
    return HttpReply(200007, _set_password(call, account, fields["new_password"]))


def update_profile(call: HttpCall) -> HttpReply:
    """§1.8."""
    changes: dict[str, Any] = {}
    for part, names in (("profile", _PROFILE_COLUMNS), ("user", _USER_COLUMNS)):
        columns = optional(call.fields, part, dict) or {}
        changes |= {name: required(columns, name, str) for name in names if name in columns}
    call.state.db.change("accounts", call.account["id"], changes)
    return HttpReply(200008, _profile(call, call.account["id"]))


def update_avatar(call: HttpCall) -> HttpReply:
    """§1.9."""
    names = ("image_type", "image_size", "image_name", "data_type", "image_data")
    fields = {name: required(call.fields, name, str) for name in names}
    if fields["image_type"] not in _PICTURES:
        raise StatusError(AccountError.PICTURE_FORMAT)
    picture = _picture(fields["data_type"], fields.pop("image_data"))
    if len(picture) > _MAX_PICTURE:
        raise StatusError(AccountError.PICTURE_SIZE)
    id_ = call.account["id"]
    address = f"/api/accounts/user_get_avatar/{id_}/avatar.jpg/"
    columns = {"avatar": picture, "avatar_type": fields["image_type"], "avatar_url": address}
    call.state.db.change("accounts", id_, columns)
    return HttpReply(200009, fields | {"avatar_url": address})


def avatar(call: HttpCall) -> HttpReply:
    """§1.10: the picture."""
    account = call.state.db.get("accounts", call.path_number)
    if account is None or account["avatar"] is None:
        raise StatusError(AccountError.NO_PICTURE)
    return HttpReply(200010, is_file=True, file=account["avatar"], content_type=_PICTURES[account["avatar_type"]])


def external_username(call: HttpCall) -> HttpReply:
    """§1.11: the account of a user of another service."""
    account = call.state.db.one("SELECT * FROM accounts WHERE wechat_service = ?", call.id)
    if account is None:
        raise StatusError(AccountError.NO_EXTERNAL_USER)
    return HttpReply(200011, {name: account[name] for name in ("wechat_service", "language", "id", "username")})


def register_gateway(call: HttpCall) -> HttpReply:
    """§2.4."""
    username, password = required(call.data, "username", str), required(call.data, "password", str)
    if not username or not password or call.state.account_by_name(username) is not None:
        raise StatusError(BAD_PARAMETERS)
    id_ = call.state.register(username, password)
    return HttpReply(200012, single_page({"id": id_, "token": call.state.log_in(id_)}, pieces=10))


def _phone_number(call: HttpCall) -> str:
    username = required(call.fields, "username", str)
    if not (username.isdecimal() and len(username) == 11):
        raise StatusError(AccountError.BAD_PHONE_NUMBER)
    return username


def _send_code(call: HttpCall, username: str) -> HttpReply:
    code = f"{call.state.chance.randrange(10**6):06}"
    call.state.db.all("INSERT OR REPLACE INTO codes (username, code) VALUES (?, ?)", username, code)
    call.state.record_sent("code", username, code)
    return HttpReply(200001, {"username": username})


def _use_code(call: HttpCall, username: str, *, wrong: int) -> None:
    """Check the code of an SMS, which is valid once; `wrong` is the section's code."""
    row = call.state.db.one("SELECT code FROM codes WHERE username = ?", username)
    if row is None or row["code"] != str(call.fields.get("sms_code")):
        raise StatusError(wrong)
    call.state.db.all("DELETE FROM codes WHERE username = ?", username)


def _check_new_password(password: str, again: str, *, bad: int, differ: int) -> None:
    """`bad` and `differ` are the section's codes."""
    if not 8 <= len(password) <= 32:
        raise StatusError(bad)
    if password != again:
        raise StatusError(differ)


def _set_password(call: HttpCall, account: Row, password: str) -> Row:
    """Set a new password; tokens of the old one are no longer valid."""
    call.state.db.change("accounts", account["id"], {"password": password, "token": ""})
    return {"username": account["username"], "password": password}


def _picture(data_type: str, text: str) -> bytes:
    try:
        match data_type:
            case "base64":
                return base64.b64decode(text, validate=True)
            case "hex":
                return bytes.fromhex(text)
            case "raw":
                return text.encode("latin-1")
    except (binascii.Error, ValueError) as error:
        raise StatusError(BAD_PARAMETERS, "param 'image_data' is not what 'data_type' says") from error
    raise StatusError(BAD_PARAMETERS, "param 'data_type' is base64, raw or hex")


def _profile(call: HttpCall, id_: int) -> Mapping[str, Any]:
    account = call.state.db.get("accounts", id_)
    assert account is not None
    is_admin = bool(account["user_admin"])
    roles = {"is_active": bool(account["is_active"]), "user_admin": is_admin, "user_normal": not is_admin}
    return {name: account[name] for name in _PROFILE_ANSWER} | roles | dict.fromkeys(_ROLES, False)


ROUTES: Final = (
    HttpRoute("1.1", "POST", "/api/accounts/register_get_smscode/", request_code, has_token=False),
    HttpRoute("1.2", "POST", "/api/accounts/register_sms/", register, has_token=False),
    HttpRoute("1.3", "POST", "/api/accounts/login/", log_in, has_token=False),
    HttpRoute("1.4", "GET", "/api/accounts/user_get_profile/", profile),
    HttpRoute("1.5", "POST", "/api/accounts/password_reset_old_psw/", change_password, has_token=False),
    HttpRoute("1.6", "POST", "/api/accounts/password_reset_get_smscode/", request_reset_code, has_token=False),
    HttpRoute("1.7", "POST", "/api/accounts/password_reset_sms/", reset_password, has_token=False),
    HttpRoute("1.8", "POST", "/api/accounts/user_update_profile/", update_profile),
    HttpRoute("1.9", "POST", "/api/accounts/user_update_avatar/", update_avatar),
    HttpRoute("1.10", "GET", "/api/accounts/user_get_avatar/{id}/avatar.jpg/", avatar),
    HttpRoute("1.11", "GET", "/api/accounts/user_get_username_external/{text}", external_username, has_token=False),
    HttpRoute("2.4", "POST", "/api/accounts/register/gw", register_gateway, has_token=False),
)
