"""Every status of the REST sections, in the API's own words: one row a meaning, section by section.

The same code says different things in different sections (200024: 更新空间数据成功 in §2.3, 请求家庭数据成功 in §2.11),
so a status is looked up with the section that answered. Sections whose codes stand only in an example have their rows
from it (§2.4, §2.6, §2.13, §2.15). The API numbers its push section 11.1 like the SMS one; here it is 11.2.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class RestStatus(NamedTuple):
    """One meaning: the section that says it, its code, the API's words."""

    section: str
    code: int
    desc: str

    @property
    def is_success(self) -> bool:
        """The API's successes are 2xxxxx; 200201 (批量请求部分成功) is one whose parts have outcomes of their own."""
        return self.code // 100_000 == 2


_ROWS: Final[Mapping[str, tuple[tuple[int, str], ...]]] = MappingProxyType(
    {
        "1.1": (  # ask for an SMS code
            (200001, "Request SMS code success"),
            (400001, "The user has already existed"),
            (400002, "Phone number error"),
            (400003, "Request Params error"),
        ),
        "1.2": (  # register by SMS
            (200002, "Registration success."),
            (400004, "Email already exists."),
            (400005, "Password should be at least 8 characters long（MAX：32）."),
            (400006, "Passwords doesn't match."),
            (400007, "Username already exists."),
            (400008, "Invite code is not valid / expired."),
            (400009, "SMS validation code is invalid"),
            (400003, "Request Params error"),
        ),
        "1.3": (  # log in
            (200003, "Login success."),
            (400010, "This username is not valid."),
            (400011, "User not active."),
            (400012, "Invalid credentials(Password error)."),
            (400013, "Please enter username or email to login."),
            (400003, "Request Params error"),
        ),
        "1.4": (  # read a profile
            (200004, "Retrieve User Profile success."),
            (401014, "Token is not valid/"),
            (400015, "The user does not exist."),
            (400016, "User not active."),
            (400003, "Request Params error"),
        ),
        "1.5": (  # change a password
            (200005, "Reset password success."),
            (401017, "Old password error."),
            (400018, "The user does not exist."),
            (400019, "Passwords do not match, try again."),
            (400020, "Invalid password, try again."),
            (400003, "Request Params error"),
        ),
        "1.6": (  # ask for a reset code
            (200001, "Request SMS code success"),
            (400001, "The user has already existed"),
            (400002, "Phone number error"),
            (400003, "Request Params error"),
        ),
        "1.7": (  # reset a password by SMS
            (200007, "Reset password success."),
            (401024, "sms code error."),
            (400025, "The user does not exist."),
            (400026, "Passwords do not match, try again."),
            (400027, "Invalid password, try again."),
            (400003, "Request Params error"),
        ),
        "1.8": (  # change a profile
            (200008, "Update user profile success."),
            (401028, "Token is not valid/HTTP_401_UNAUTHORIZED."),
            (400029, "User not active."),
            (400040, "User not active."),
            (400003, "Request Params error"),
        ),
        "1.9": (  # change an avatar
            (200009, "Update user avatar image success."),
            (401030, "Token is not valid/HTTP_401_UNAUTHORIZED."),
            (400031, "Image format does not support."),
            (400032, "Too big image size(MAX:720 x 720 MIN: 144 x 144)"),
            (400033, "User not active."),
            (400003, "Request Params error"),
        ),
        "1.10": (  # read an avatar
            (200010, "Request success, return image."),
            (400034, "Token is not valid."),
            (400035, "User not active."),
            (400036, "avatar not set"),
            (400003, "Request Params error"),
        ),
        "1.11": (  # log in through another service
            (200011, "Request success."),
            (400037, "Token is not valid."),
            (400038, "User not authorization."),
            (400039, "User not active."),
            (400040, "Email format error."),
            (400003, "Request Params error."),
        ),
        "2.1": (  # device records
            (200012, "请求设备通用数据成功"),
            (200013, "创建设备通用数据成功"),
            (200014, "删除设备通用数据成功"),
            (200015, "更新设备通用数据成功"),
            (200016, "请求通用数据列表成功"),
            (400000, "认证令牌无效。"),
            (400003, "请求参数错误"),
            (400042, "权限不足"),
            (400064, "设备已存在"),
            (400065, "设备不存在"),
            (400072, "创建设备通用信息失败"),
            (400073, "创建设备私有信息失败"),
            (400074, "空间不存在"),
            (500000, "服务器内部错误"),
        ),
        "2.2": (  # authorizations
            (200017, "请求授权数据成功"),
            (200018, "创建授权数据成功"),
            (200019, "更新授权数据成功"),
            (200020, "删除授权数据成功"),
            (200021, "请求授权数据列表成功"),
            (400000, "认证令牌无效。"),
            (400003, "请求参数错误"),
            (400042, "权限不足"),
            (400065, "设备不存在"),
            (400084, "授权对象不存在"),
            (400085, "创建授权条目失败"),
            (400086, "授权不能超过2级"),
            (400087, "授权条目不存在"),
            (400088, "授权条目已存在"),
            (500000, "服务器内部错误"),
        ),
        "2.3": (  # spaces
            (200022, "请求空间数据成功"),
            (200023, "创建空间数据成功"),
            (200024, "更新空间数据成功"),
            (200025, "删除空间数据成功"),
            (200026, "请求空间数据列表成功"),
            (400000, "认证令牌无效。"),
            (400003, "请求参数错误"),
            (400042, "权限不足"),
            (400074, "空间不存在"),
            (400079, "家庭不存在"),
            (400080, "空间已存在"),
            (400081, "创建空间失败"),
            (400082, "不能创建默认空间"),
            (400083, "默认空间不能删除"),
            (500000, "服务器内部错误"),
        ),
        "2.4": (  # register a gateway
            (200012, "请求通用类型数据成功"),
        ),
        "2.5": (  # many at once
            (200200, "批量请求成功"),
            (200201, "批量请求部分成功"),
            (400400, "批量请求失败"),
            (400089, "请求方法不支持"),
            (400090, "协议不支持"),
            (400091, "请求url非法"),
        ),
        "2.6": (  # alarm by SMS
            (200012, "请求通用类型数据成功"),
        ),
        "2.7": (  # members
            (200042, "请求家庭成员数据成功"),
            (200043, "创建家庭成员数据成功"),
            (200044, "更新家庭成员数据成功"),
            (200045, "删除家庭成员数据成功"),
            (200046, "请求家庭成员数据列表成功"),
            (400000, "认证令牌无效。"),
            (400003, "请求参数错误"),
            (400042, "权限不足"),
            (400093, "家庭成员不存在"),
            (400094, "家庭成员已存在"),
            (400095, "创建家庭成员失败"),
            (400096, "更新家庭成员失败"),
            (500000, "服务器内部错误"),
        ),
        "2.8": (  # keys
            (200029, "请求钥匙数据成功"),
            (200030, "创建钥匙数据成功"),
            (200031, "更新钥匙数据成功"),
            (200032, "删除钥匙数据成功"),
            (200033, "请求钥匙数据列表成功"),
            (400003, "参数错误"),
            (400042, "权限不足"),
            (400065, "设备不存在"),
            (400097, "创建钥匙数据失败"),
            (400098, "钥匙不存在"),
            (400099, "钥匙已存在"),
            (400100, "更新钥匙数据失败"),
            (500000, "服务器内部错误"),
        ),
        "2.9": (  # messages
            (200038, "请求消息成功"),
            (200039, "创建消息成功"),
            (200040, "删除消息成功"),
            (200041, "请求消息列表成功"),
            (400042, "权限不足"),
            (400065, "设备不存在"),
            (500000, "服务器内部错误"),
        ),
        "2.10": (  # temporary passwords
            (200034, "请求临时密码数据成功"),
            (200035, "创建临时密码数据成功"),
            (200036, "请求临时密码数据列表成功"),
            (400003, "参数错误"),
            (400101, "授权人不存在"),
            (400042, "权限不足"),
            (400065, "设备不存在"),
            (500000, "服务器内部错误"),
        ),
        "2.11": (  # home
            (200024, "请求家庭数据成功"),
            (200025, "更新家庭数据成功"),
            (400042, "权限不足"),
            (400065, "设备不存在"),
            (400066, "创建临时密码失败"),
            (400092, "更新家庭数据失败"),
            (400101, "授权人不存在"),
            (500000, "服务器内部错误"),
        ),
        "2.12": (  # versions
            (200037, "请求最新版本信息成功"),
            (200047, "请求版本信息列表成功"),
            (500000, "服务器内部错误"),
        ),
        "2.13": (  # timestamp; feedback
            (200049, "获取时间戳成功"),
            (200048, "创建意见反馈信息成功"),
        ),
        "2.15": (  # share
            (200050, "分享成功"),
        ),
        "3.2": (  # app releases
            (200301, "create general data success."),
            (200302, "delete general data success."),
            (200303, "update general data success."),
            (400301, "Token is not valid/HTTP_401_UNAUTHORIZED."),
            (400302, "Permission denied."),
            (400303, "Unmatched data."),
            (400304, "Unmatched data."),
            (400003, "Request Params error"),
        ),
        "11.1": (  # SMS
            (200013, "create general data success."),
            (200014, "delete general data success."),
            (200015, "update general data success."),
            (400047, "Token is not valid/HTTP_401_UNAUTHORIZED."),
            (400048, "Permission denied."),
            (400049, "Unmatched data."),
            (400050, "Unmatched data."),
            (400051, "Unmatched data."),
            (400052, "Unmatched data."),
            (400003, "Request Params error"),
        ),
        "11.2": (  # push
            (200013, "create general data success."),
            (200014, "delete general data success."),
            (200015, "update general data success."),
            (400047, "Token is not valid/HTTP_401_UNAUTHORIZED."),
            (400048, "Permission denied."),
            (400049, "Unmatched data."),
            (400050, "Unmatched data."),
            (400051, "Unmatched data."),
            (400052, "Unmatched data."),
            (400003, "Request Params error"),
        ),
    }
)

STATUSES: Final = tuple(RestStatus(section, code, desc) for section, rows in _ROWS.items() for code, desc in rows)

_BY_CODE: Final = MappingProxyType({(row.section, row.code): row for row in reversed(STATUSES)})

TOKEN_REFUSED: Final = frozenset({400000, 401014, 401028, 401030, 400034, 400037, 400301, 400047})
"""令牌无效 in the various sections: the token is to be renewed."""


def is_server_error(code: int) -> bool:
    """True for the server's own trouble, 服务器内部错误 (500000) and its undocumented like: worth another try."""
    return code // 100_000 == 5


_SAME_AS: Final = MappingProxyType({"1.12": "1.2"})
"""§1.12 is §1.2 with one parameter more."""

_EVERYWHERE: Final = frozenset({400000, 400003, 400042, 500000})
"""Refusals that §2 lists in most of its sections and that any of them can answer with; their words are §2.1's."""


def rest_status(section: str, code: int) -> RestStatus | None:
    """What `code` means in `section`; None where the API does not say: that is an error, never a success."""
    section = _SAME_AS.get(section, section)
    found = _BY_CODE.get((section, code))
    if found is None and section.startswith("2.") and code in _EVERYWHERE:
        return _BY_CODE["2.1", code]
    return found
