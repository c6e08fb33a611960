"""§1 and §2.4: users, their passwords by SMS, their profiles and pictures; gateways' accounts."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from gatewayd.simulator.cloud.calls import BAD_PARAMETERS, HttpCall, HttpReply, HttpRoute, SaidError, may, need, single
from gatewayd.simulator.cloud.database import Row

_SHOWN: Final = (
    "wechat_service", "ip_joined", "qq_service", "addr_joined", "language", "id", "username", "first_name",
    "last_name", "last_login", "email", "date_joined", "token", "avatar_url", "signature", "extend_userinfo",
)  # fmt: skip
_PROFILE: Final = (
    "wechat_service", "ip_joined", "qq_service", "addr_joined", "avatar_url", "signature", "extend_userinfo",
)  # fmt: skip
_USER: Final = ("email", "first_name", "last_name")
_ROLES: Final = ("user_manager", "user_guest", "user_iot", "user_aacloud", "user_health")
_PICTURES: Final = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp"}
_BIGGEST_PICTURE: Final = 2 << 20


def request_code(call: HttpCall) -> HttpReply:
    """§1.1: for a number that has no account yet."""
    username = _phone(call)
    if call.state.account_named(username) is not None:
        raise SaidError(400001)
    return _code_sent(call, username)


def request_reset_code(call: HttpCall) -> HttpReply:
    """§1.6: for one that has; the API's own words for one that has not are 1.1's."""
    username = _phone(call)
    if call.state.account_named(username) is None:
        raise SaidError(400002)
    return _code_sent(call, username)


def register(call: HttpCall) -> HttpReply:
    """§1.2, and §1.12 where there is a `wechat_service`."""
    said = call.whole
    names = ("username", "email", "password", "password_2", "first_name", "last_name")
    given = {name: need(said, name, str) for name in names}
    if call.state.account_named(given["username"]) is not None:
        raise SaidError(400007)
    query = "SELECT id FROM accounts WHERE email = ? AND email != 'none'"
    if call.state.db.one(query, given["email"]) is not None:
        raise SaidError(400004)
    _new_password(given["password"], given["password_2"], bad=400005, differ=400006)
    _spend_code(call, given["username"], wrong=400009)
    columns = {name: given[name] for name in ("email", "first_name", "last_name")}
    columns["wechat_service"] = may(said, "wechat_service", str) or ""
    call.state.register(given["username"], given["password"], **columns)
    return HttpReply(200002, given)


def log_in(call: HttpCall) -> HttpReply:
    """§1.3."""
    said = call.whole
    if not said.get("username"):
        raise SaidError(400013)
    account = call.state.account_named(need(said, "username", str))
    if account is None:
        raise SaidError(400010)
    if not account["is_active"]:
        raise SaidError(400011)
    if account["password"] != need(said, "password", str):
        raise SaidError(400012)
    call.state.db.change("accounts", account["id"], {"language": may(said, "language", str) or account["language"]})
    call.state.log_in(account["id"])
    return HttpReply(200003, _user(call, account["id"]))


def profile(call: HttpCall) -> HttpReply:
    """§1.4."""
    return HttpReply(200004, _user(call, call.account["id"]))


def change_password(call: HttpCall) -> HttpReply:
    """§1.5."""
    said = {
        name: need(call.whole, name, str) for name in ("username", "old_password", "new_password", "new_password_2")
    }
    account = call.state.account_named(said["username"])
    if account is None:
        raise SaidError(400018)
    if account["password"] != said["old_password"]:
        raise SaidError(401017)
    _new_password(said["new_password"], said["new_password_2"], bad=400020, differ=400019)
    return HttpReply(200005, _repassworded(call, account, said["new_password"]))


def reset_password(call: HttpCall) -> HttpReply:
    """§1.7."""
    said = {name: need(call.whole, name, str) for name in ("username", "new_password", "new_password_2")}
    account = call.state.account_named(said["username"])
    if account is None:
        raise SaidError(400025)
    _new_password(said["new_password"], said["new_password_2"], bad=400027, differ=400026)
    _spend_code(call, said["username"], wrong=401024)
    return HttpReply(200007, _repassworded(call, account, said["new_password"]))


def update_profile(call: HttpCall) -> HttpReply:
    """§1.8."""
    changes: dict[str, Any] = {}
    for part, names in (("profile", _PROFILE), ("user", _USER)):
        said = may(call.whole, part, dict) or {}
        changes |= {name: need(said, name, str) for name in names if name in said}
    call.state.db.change("accounts", call.account["id"], changes)
    return HttpReply(200008, _user(call, call.account["id"]))


def update_avatar(call: HttpCall) -> HttpReply:
    """§1.9."""
    names = ("image_type", "image_size", "image_name", "data_type", "image_data")
    said = {name: need(call.whole, name, str) for name in names}
    if said["image_type"] not in _PICTURES:
        raise SaidError(400031)
    picture = _picture(said["data_type"], said.pop("image_data"))
    if len(picture) > _BIGGEST_PICTURE:
        raise SaidError(400032)
    id_ = call.account["id"]
    address = f"/api/accounts/user_get_avatar/{id_}/avatar.jpg/"
    columns = {"avatar": picture, "avatar_type": said["image_type"], "avatar_url": address}
    call.state.db.change("accounts", id_, columns)
    return HttpReply(200009, said | {"avatar_url": address})


def avatar(call: HttpCall) -> HttpReply:
    """§1.10: the picture itself."""
    account = call.state.db.get("accounts", call.number)
    if account is None or account["avatar"] is None:
        raise SaidError(400036)
    return HttpReply(200010, is_file=True, file=account["avatar"], content_type=_PICTURES[account["avatar_type"]])


def external_username(call: HttpCall) -> HttpReply:
    """§1.11: whose account a user of another service has."""
    account = call.state.db.one("SELECT * FROM accounts WHERE wechat_service = ?", call.id)
    if account is None:
        raise SaidError(400038)
    return HttpReply(200011, {name: account[name] for name in ("wechat_service", "language", "id", "username")})


def register_gateway(call: HttpCall) -> HttpReply:
    """§2.4."""
    username, password = need(call.data, "username", str), need(call.data, "password", str)
    if not username or not password or call.state.account_named(username) is not None:
        raise SaidError(BAD_PARAMETERS)
    id_ = call.state.register(username, password)
    return HttpReply(200012, single({"id": id_, "token": call.state.log_in(id_)}, pieces=10))


def _phone(call: HttpCall) -> str:
    username = need(call.whole, "username", str)
    if not (username.isdecimal() and len(username) == 11):
        raise SaidError(400002)
    return username


def _code_sent(call: HttpCall, username: str) -> HttpReply:
    code = f"{call.state.chance.randrange(10**6):06}"
    call.state.db.all("INSERT OR REPLACE INTO codes (username, code) VALUES (?, ?)", username, code)
    call.state.send("code", username, code)
    return HttpReply(200001, {"username": username})


def _spend_code(call: HttpCall, username: str, *, wrong: int) -> None:
    kept = call.state.db.one("SELECT code FROM codes WHERE username = ?", username)
    if kept is None or kept["code"] != str(call.whole.get("sms_code")):
        raise SaidError(wrong)
    call.state.db.all("DELETE FROM codes WHERE username = ?", username)


def _new_password(password: str, again: str, *, bad: int, differ: int) -> None:
    if not 8 <= len(password) <= 32:
        raise SaidError(bad)
    if password != again:
        raise SaidError(differ)


def _repassworded(call: HttpCall, account: Row, password: str) -> Row:
    """A new password is the end of the tokens that the old one got."""
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
        raise SaidError(BAD_PARAMETERS, "param 'image_data' is not what 'data_type' says") from error
    raise SaidError(BAD_PARAMETERS, "param 'data_type' is base64, raw or hex")


def _user(call: HttpCall, id_: int) -> Mapping[str, Any]:
    account = call.state.db.get("accounts", id_)
    assert account is not None
    is_admin = bool(account["user_admin"])
    roles = {"is_active": bool(account["is_active"]), "user_admin": is_admin, "user_normal": not is_admin}
    return {name: account[name] for name in _SHOWN} | roles | dict.fromkeys(_ROLES, False)


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
