"""The statuses of the REST sections: one row per meaning, in the API's own words, section by section.

One code has different meanings in different sections (200024: 更新空间数据成功 in §2.3, 请求家庭数据成功 in §2.11), so
a status is looked up with the section that answered. The rows stand in the API's order, to be checked against it side
by side; those of §2.4, §2.6, §2.13 and §2.15 are from its examples, since these sections have no table. The API numbers
its push section 11.1 like the SMS section; here it is 11.2.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple


class RestOutcome(Enum):
    """What a status means for the caller, whatever the section."""

    SUCCESS = auto()  # 2xxxxx
    TOKEN_REFUSED = auto()  # the token is invalid or has expired
    ALREADY_EXISTS = auto()  # what was to be created; a user of §1 too
    NOT_FOUND = auto()  # what was named, or what it belongs to; a user of §1 too
    FORBIDDEN = auto()  # 权限不足
    BAD_PARAMETERS = auto()  # 请求参数错误
    REFUSED = auto()  # any other refusal
    SERVER_ERROR = auto()  # 5xxxxx


class RestStatus(NamedTuple):
    """One row: the section, its code, the API's words, and what it means for the caller."""

    section: str
    code: int
    desc: str
    outcome: RestOutcome

    @property
    def is_success(self) -> bool:
        """True for 2xxxxx; the parts of 200201 (批量请求部分成功) have outcomes of their own."""
        return self.outcome is RestOutcome.SUCCESS


def is_server_error(code: int) -> bool:
    """True for 服务器内部错误 (500000) and every other 5xxxxx, documented or not: the call is worth another attempt."""
    return code // 100_000 == 5


def _row(section: str, code: int, desc: str, outcome: RestOutcome = RestOutcome.REFUSED) -> RestStatus:
    """A row of the table; its code says whether it is a success or a server error."""
    if code // 100_000 == 2:
        outcome = RestOutcome.SUCCESS
    elif is_server_error(code):
        outcome = RestOutcome.SERVER_ERROR
    return RestStatus(section, code, desc, outcome)


_TABLE: Final[Mapping[str, tuple[tuple[int, str] | tuple[int, str, RestOutcome], ...]]] = MappingProxyType(
    {
        "1.1": (  # User - GET SMS verification code
            (200001, "Request SMS code success"),
            (400001, "The user has already existed", RestOutcome.ALREADY_EXISTS),
            (400002, "Phone number error"),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.2": (  # Endpoint for user registration(SMS mode)
            (200002, "Registration success."),
            (400004, "Email already exists.", RestOutcome.ALREADY_EXISTS),
            (400005, "Password should be at least 8 characters long（MAX：32）."),
            (400006, "Passwords doesn't match."),
            (400007, "Username already exists.", RestOutcome.ALREADY_EXISTS),
            (400008, "Invite code is not valid / expired."),
            (400009, "SMS validation code is invalid"),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.3": (  # Endpoint for user login
            (200003, "Login success."),
            (400010, "This username is not valid.", RestOutcome.NOT_FOUND),
            (400011, "User not active."),
            (400012, "Invalid credentials(Password error)."),
            (400013, "Please enter username or email to login."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.4": (  # Retrieve User Profile / User Data
            (200004, "Retrieve User Profile success."),
            (401014, "Token is not valid/", RestOutcome.TOKEN_REFUSED),
            (400015, "The user does not exist.", RestOutcome.NOT_FOUND),
            (400016, "User not active."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.5": (  # Endpoint to reset password by the old password
            (200005, "Reset password success."),
            (401017, "Old password error."),
            (400018, "The user does not exist.", RestOutcome.NOT_FOUND),
            (400019, "Passwords do not match, try again."),
            (400020, "Invalid password, try again."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.6": (  # Endpoint to reset password by SMS verification(GET SMS verification code)
            (200001, "Request SMS code success"),
            (400001, "The user has already existed", RestOutcome.ALREADY_EXISTS),
            (400002, "Phone number error"),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.7": (  # Endpoint to reset password by the SMS verification
            (200007, "Reset password success."),
            (401024, "sms code error."),
            (400025, "The user does not exist.", RestOutcome.NOT_FOUND),
            (400026, "Passwords do not match, try again."),
            (400027, "Invalid password, try again."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.8": (  # Endpoint to update user profile
            (200008, "Update user profile success."),
            (401028, "Token is not valid/HTTP_401_UNAUTHORIZED.", RestOutcome.TOKEN_REFUSED),
            (400029, "User not active."),
            (400040, "User not active."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.9": (  # Endpoint to update user avatar image
            (200009, "Update user avatar image success."),
            (401030, "Token is not valid/HTTP_401_UNAUTHORIZED.", RestOutcome.TOKEN_REFUSED),
            (400031, "Image format does not support."),
            (400032, "Too big image size(MAX:720 x 720 MIN: 144 x 144)"),
            (400033, "User not active."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.10": (  # Retrieve User avatar image
            (200010, "Request success, return image."),
            (400034, "Token is not valid.", RestOutcome.TOKEN_REFUSED),
            (400035, "User not active."),
            (400036, "avatar not set", RestOutcome.NOT_FOUND),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "1.11": (  # 微信授权登录（第三方登录通用）
            (200011, "Request success."),
            (400037, "Token is not valid.", RestOutcome.TOKEN_REFUSED),
            (400038, "User not authorization.", RestOutcome.NOT_FOUND),
            (400039, "User not active."),
            (400040, "Email format error."),
            (400003, "Request Params error.", RestOutcome.BAD_PARAMETERS),
        ),
        "2.1": (  # manage iot general data (single)
            (200012, "请求设备通用数据成功"),
            (200013, "创建设备通用数据成功"),
            (200014, "删除设备通用数据成功"),
            (200015, "更新设备通用数据成功"),
            (200016, "请求通用数据列表成功"),
            (400000, "认证令牌无效。", RestOutcome.TOKEN_REFUSED),
            (400003, "请求参数错误", RestOutcome.BAD_PARAMETERS),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400064, "设备已存在", RestOutcome.ALREADY_EXISTS),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (400072, "创建设备通用信息失败"),
            (400073, "创建设备私有信息失败"),
            (400074, "空间不存在", RestOutcome.NOT_FOUND),
            (500000, "服务器内部错误"),
        ),
        "2.2": (  # Authorization endpoint for authorize a user to manage a device
            (200017, "请求授权数据成功"),
            (200018, "创建授权数据成功"),
            (200019, "更新授权数据成功"),
            (200020, "删除授权数据成功"),
            (200021, "请求授权数据列表成功"),
            (400000, "认证令牌无效。", RestOutcome.TOKEN_REFUSED),
            (400003, "请求参数错误", RestOutcome.BAD_PARAMETERS),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (400084, "授权对象不存在", RestOutcome.NOT_FOUND),
            (400085, "创建授权条目失败"),
            (400086, "授权不能超过2级"),
            (400087, "授权条目不存在", RestOutcome.NOT_FOUND),
            (400088, "授权条目已存在", RestOutcome.ALREADY_EXISTS),
            (500000, "服务器内部错误"),
        ),
        "2.3": (  # Space endpoint
            (200022, "请求空间数据成功"),
            (200023, "创建空间数据成功"),
            (200024, "更新空间数据成功"),
            (200025, "删除空间数据成功"),
            (200026, "请求空间数据列表成功"),
            (400000, "认证令牌无效。", RestOutcome.TOKEN_REFUSED),
            (400003, "请求参数错误", RestOutcome.BAD_PARAMETERS),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400074, "空间不存在", RestOutcome.NOT_FOUND),
            (400079, "家庭不存在", RestOutcome.NOT_FOUND),
            (400080, "空间已存在", RestOutcome.ALREADY_EXISTS),
            (400081, "创建空间失败"),
            (400082, "不能创建默认空间"),
            (400083, "默认空间不能删除"),
            (500000, "服务器内部错误"),
        ),
        "2.4": (  # gateway registration
            (200012, "请求通用类型数据成功"),
        ),
        "2.5": (  # patch interface
            (200200, "批量请求成功"),
            (200201, "批量请求部分成功"),
            (400400, "批量请求失败"),
            (400089, "请求方法不支持"),
            (400090, "协议不支持"),
            (400091, "请求url非法"),
        ),
        "2.6": (  # sms alarm
            (200012, "请求通用类型数据成功"),
        ),
        "2.7": (  # HomeMember Management
            (200042, "请求家庭成员数据成功"),
            (200043, "创建家庭成员数据成功"),
            (200044, "更新家庭成员数据成功"),
            (200045, "删除家庭成员数据成功"),
            (200046, "请求家庭成员数据列表成功"),
            (400000, "认证令牌无效。", RestOutcome.TOKEN_REFUSED),
            (400003, "请求参数错误", RestOutcome.BAD_PARAMETERS),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400093, "家庭成员不存在", RestOutcome.NOT_FOUND),
            (400094, "家庭成员已存在", RestOutcome.ALREADY_EXISTS),
            (400095, "创建家庭成员失败"),
            (400096, "更新家庭成员失败"),
            (500000, "服务器内部错误"),
        ),
        "2.8": (  # Keys Management
            (200029, "请求钥匙数据成功"),
            (200030, "创建钥匙数据成功"),
            (200031, "更新钥匙数据成功"),
            (200032, "删除钥匙数据成功"),
            (200033, "请求钥匙数据列表成功"),
            (400003, "参数错误", RestOutcome.BAD_PARAMETERS),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (400097, "创建钥匙数据失败"),
            (400098, "钥匙不存在", RestOutcome.NOT_FOUND),
            (400099, "钥匙已存在", RestOutcome.ALREADY_EXISTS),
            (400100, "更新钥匙数据失败"),
            (500000, "服务器内部错误"),
        ),
        "2.9": (  # Message Management
            (200038, "请求消息成功"),
            (200039, "创建消息成功"),
            (200040, "删除消息成功"),
            (200041, "请求消息列表成功"),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (500000, "服务器内部错误"),
        ),
        "2.10": (  # temporay password
            (200034, "请求临时密码数据成功"),
            (200035, "创建临时密码数据成功"),
            (200036, "请求临时密码数据列表成功"),
            (400003, "参数错误", RestOutcome.BAD_PARAMETERS),
            (400101, "授权人不存在", RestOutcome.NOT_FOUND),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (500000, "服务器内部错误"),
        ),
        "2.11": (  # home management
            (200024, "请求家庭数据成功"),
            (200025, "更新家庭数据成功"),
            (400042, "权限不足", RestOutcome.FORBIDDEN),
            (400065, "设备不存在", RestOutcome.NOT_FOUND),
            (400066, "创建临时密码失败"),
            (400092, "更新家庭数据失败"),
            (400101, "授权人不存在", RestOutcome.NOT_FOUND),
            (500000, "服务器内部错误"),
        ),
        "2.12": (  # version management
            (200037, "请求最新版本信息成功"),
            (200047, "请求版本信息列表成功"),
            (500000, "服务器内部错误"),
        ),
        "2.13": (  # get_timestamp, then feedback
            (200049, "获取时间戳成功"),
            (200048, "创建意见反馈信息成功"),
        ),
        "2.15": (  # share
            (200050, "分享成功"),
        ),
        "3.2": (  # APP and firmware release manage
            (200301, "create general data success."),
            (200302, "delete general data success."),
            (200303, "update general data success."),
            (400301, "Token is not valid/HTTP_401_UNAUTHORIZED.", RestOutcome.TOKEN_REFUSED),
            (400302, "Permission denied.", RestOutcome.FORBIDDEN),
            (400303, "Unmatched data."),
            (400304, "Unmatched data."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "11.1": (  # SMS Sending interface
            (200013, "create general data success."),
            (200014, "delete general data success."),
            (200015, "update general data success."),
            (400047, "Token is not valid/HTTP_401_UNAUTHORIZED.", RestOutcome.TOKEN_REFUSED),
            (400048, "Permission denied.", RestOutcome.FORBIDDEN),
            (400049, "Unmatched data."),
            (400050, "Unmatched data."),
            (400051, "Unmatched data."),
            (400052, "Unmatched data."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
        "11.2": (  # PUSH Sending interface
            (200013, "create general data success."),
            (200014, "delete general data success."),
            (200015, "update general data success."),
            (400047, "Token is not valid/HTTP_401_UNAUTHORIZED.", RestOutcome.TOKEN_REFUSED),
            (400048, "Permission denied.", RestOutcome.FORBIDDEN),
            (400049, "Unmatched data."),
            (400050, "Unmatched data."),
            (400051, "Unmatched data."),
            (400052, "Unmatched data."),
            (400003, "Request Params error", RestOutcome.BAD_PARAMETERS),
        ),
    }
)

STATUSES: Final = tuple(_row(section, *row) for section, rows in _TABLE.items() for row in rows)
_BY_CODE: Final = MappingProxyType({(status.section, status.code): status for status in STATUSES})

TOKEN_REFUSED: Final = frozenset(status.code for status in STATUSES if status.outcome is RestOutcome.TOKEN_REFUSED)
"""The codes with which the sections refuse a token; it is then renewed."""

TOKEN_INVALID: Final = 400000  # §2: 认证令牌无效。
USERNAME_NOT_VALID: Final = 400010  # §1.3: no such account
DEVICE_NOT_FOUND: Final = 400065  # §2: 设备不存在
SPACE_NOT_FOUND: Final = 400074  # §2.1, §2.3: 空间不存在

_SAME_AS: Final = MappingProxyType({"1.12": "1.2"})
"""§1.12 is §1.2 with one parameter more."""

_COMMON: Final = frozenset({400000, 400003, 400042, 500000})
"""Refusals that most sections of §2 list and any of them can answer with; the meaning is §2.1's."""


def rest_status(section: str, code: int) -> RestStatus | None:
    """The meaning of `code` in `section`; None where the API does not document it: an error, never a success."""
    section = _SAME_AS.get(section, section)
    status = _BY_CODE.get((section, code))
    if status is None and section.startswith("2.") and code in _COMMON:
        return _BY_CODE["2.1", code]
    return status
