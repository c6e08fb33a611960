"""The statuses of MQTT and UDP messages: one row per meaning, in the API's own words, with an English name.

§9 gives one code to dozens of meanings (200503 to twenty-two, 400505 to forty-six), so a status is a code *and* its
`desc`. The tables stand in the API's order, to be checked against it side by side. The REST sections' statuses are in
`rest_status`.
"""

from collections import Counter
from enum import Enum
from types import MappingProxyType
from typing import Final


class MessageStatus(Enum):
    """A status as a message carries it: the value of each member is (code, desc)."""

    def __init__(self, code: int, desc: str) -> None:
        self.code = code
        """The number in the message's `status`; several meanings can share it."""
        self.desc = desc
        """The API's words, in the message's `desc`."""


class OperationStatus(MessageStatus):
    """§9 Operation Status Definition: what MQTT messages carry (§4.2 `status` and `desc`)."""

    # fmt: off
    OFF                       = (200501, "关闭")
    HELD_OPEN                 = (200502, "常开")
    ON                        = (200503, "开启")
    PAUSED                    = (200503, "暂停")
    STOPPED                   = (200503, "停止")
    NORMAL                    = (200503, "正常状态")
    JOINABLE                  = (200503, "设备处于添加状态")
    CREATE_REQUESTED          = (200503, "请求添加信息")
    UPDATE_REQUESTED          = (200503, "请求更新信息")
    CONTROL_REQUESTED         = (200503, "请求控制设备")
    DELETE_REQUESTED          = (200503, "请求删除信息")
    CREATING                  = (200503, "正在添加信息")
    UPDATING                  = (200503, "正在更新信息")
    CONTROLLING               = (200503, "正在控制设备")
    DELETING                  = (200503, "正在删除设备")
    CREATED                   = (200503, "添加信息成功")
    UPDATED                   = (200503, "更新信息成功")
    CONTROLLED                = (200503, "控制设备成功")
    DELETED                   = (200503, "删除信息成功")
    JOINING_REQUESTED         = (200503, "请求网关进入允许加入状态")
    DEVICE_NORMAL             = (200503, "设备状态正常")
    SET_REQUESTED             = (200503, "请求设置信息")
    SETTING                   = (200503, "正在设置信息")
    SET_DONE                  = (200503, "设置信息成功")
    WRONG_PASSWORD            = (400501, "密码错误")
    PERMISSION_DENIED         = (400502, "权限不足")
    WRONG_KEY                 = (400503, "密钥错误")
    ILLEGAL_USER              = (400504, "非法用户")
    AUTHORIZATION_EXPIRED     = (400505, "授权失效")
    FAILED                    = (400505, "操作失败")
    DEADLOCKED                = (400505, "反锁")
    SYSTEM_LOCKED             = (400505, "系统锁定")
    TAMPER_ALARM              = (400505, "撬锁报警")
    TOO_MANY_ATTEMPTS_ALARM   = (400505, "次数超限报警")
    LOW_BATTERY_ALARM         = (400505, "低电量报警")
    UNLOCK_EVENT              = (400505, "开锁事件")
    DURESS_ALARM              = (400505, "胁迫报警")
    USER_ADDED                = (400505, "添加用户")
    USER_REMOVED              = (400505, "删除用户")
    CYLINDER_TAMPER_ALARM     = (400505, "撬锁芯报警")
    FALSE_LOCK_ALARM          = (400505, "假锁报警")
    FAULT_ALARM               = (400505, "故障报警")
    LOCKOUT_RELEASED          = (400505, "锁定状态解除")
    LOCK_FACTORY_RESET        = (400505, "门锁已恢复出厂设置")
    PASSWORD_CHANGED_AT_LOCK  = (400505, "本地修改用户密码")
    KEY_LEFT_IN_LOCK          = (400505, "未拔钥匙")
    NOT_OPENED_ALARM          = (400505, "长时间未开锁报警")
    BUTTON_SHORTED            = (400505, "按键短路")
    MEMORY_FAULT              = (400505, "存储器异常")
    TOUCH_CHIP_FAULT          = (400505, "触摸芯片异常")
    LOW_VOLTAGE_CIRCUIT_FAULT = (400505, "低压检测电路异常")
    CARD_READER_FAULT         = (400505, "读卡电路异常")
    CARD_DETECTOR_FAULT       = (400505, "检卡电路异常")
    FINGERPRINT_LINK_FAULT    = (400505, "指纹通讯异常")
    RTC_FAULT                 = (400505, "RTC晶振电路异常")
    SAME_NAME_EXISTS          = (400505, "存在相同名称信息")
    NO_INTERNET               = (400505, "网关无法访问互联网")
    ZIGBEE_NETWORK_ERROR      = (400505, "网关zigbee网络错误")
    UNKNOWN_ERROR             = (400505, "未知错误，请联系客服")
    OFFLINE                   = (400505, "设备不在线")
    STATE_REQUESTED           = (400505, "请求设备状态")
    WEAK_SIGNAL               = (400505, "设备信号弱")
    LOW_BATTERY               = (400505, "设备电量不足")
    NODE_NOT_RESPONDING       = (400505, "节点设备无应答")
    LOCAL_STORAGE_ERROR       = (400505, "设备本地存储错误")
    BAD_PARAMETERS            = (400505, "请求设备参数错误")
    CLOUD_ADD_FAILED          = (400505, "添加到云服务器失败")
    BAD_TIME_FORMAT           = (400505, "时间格式错误")
    WRONG_ADMIN_PASSWORD      = (400505, "管理员密码错误")
    BAD_PASSWORD_FORMAT       = (400505, "密码格式错误")
    LIMIT_EXCEEDED            = (400505, "数量超过最大限制")
    CLOUD_UPDATE_FAILED       = (400505, "更新信息到云服务器失败")
    CLOUD_DELETE_FAILED       = (400505, "删除信息从云服务器失败")
    NO_SUCH_INFORMATION       = (400505, "该信息不存在")
    # fmt: on

    @property
    def is_request(self) -> bool:
        """True for a status with which a phone sends a request; gateways publish all others."""
        return self in _REQUESTS


_REQUESTS: Final = frozenset(
    {
        OperationStatus.CREATE_REQUESTED,
        OperationStatus.UPDATE_REQUESTED,
        OperationStatus.CONTROL_REQUESTED,
        OperationStatus.DELETE_REQUESTED,
        OperationStatus.JOINING_REQUESTED,
        OperationStatus.SET_REQUESTED,
        OperationStatus.STATE_REQUESTED,
    }
)


class MqttStatus(MessageStatus):
    """§4.2 MQTT Publish."""

    # fmt: off
    PUBLISHED         = (200401, "mqtt publish success.")
    SUBSCRIBED        = (200402, "mqtt subscribe success.")
    TOKEN_INVALID     = (400401, "Token is not valid/HTTP_401_UNAUTHORIZED.")
    PERMISSION_DENIED = (400402, "Permission denied.")
    PUBLISH_ERROR     = (400403, "mqtt publish error.")
    SUBSCRIBE_ERROR   = (400404, "mqtt subscribe error.")
    # fmt: on


class UdpStatus(MessageStatus):
    """§10 UDP Broadcast, then §13 USB网关配网流程 and 版本升级流程."""

    # fmt: off
    AVAILABLE_DEVICE    = (200601, "Available device.")
    UNMATCHED_200602    = (200602, "Unmatched data.")
    UNMATCHED_200603    = (200603, "Unmatched data.")
    UNMATCHED_400601    = (400601, "Unmatched data.")
    UNMATCHED_400602    = (400602, "Unmatched data.")
    UNMATCHED_400603    = (400603, "Unmatched data.")
    WIFI_LIST_REQUESTED = (200552, "请求获取wifi列表（USB网关）")
    WIFI_LIST           = (200553, "获取wifi列表成功（USB网关）")
    WIFI_LIST_FAILED    = (400514, "请求wifi失败")
    WIFI_JOIN_REQUESTED = (200554, "请求连接wifi（USB网关）")
    WIFI_JOIN_FAILED    = (400515, "连接wifi失败")
    FIRMWARE_IS_NEWEST  = (200555, "固件已是最新")
    # fmt: on


_MEANINGS: Final = Counter(status.code for status in OperationStatus)
_BY_CODE_AND_DESC: Final = MappingProxyType({status.value: status for status in OperationStatus})
_BY_CODE: Final = MappingProxyType({status.code: status for status in OperationStatus if _MEANINGS[status.code] == 1})


def operation_status(code: int, desc: str) -> OperationStatus | None:
    """The §9 status of `code` and `desc`; None where the table has no such row: that is unknown, never success.

    `desc` is needed only where several meanings share the code (200503, 400505).
    """
    return _BY_CODE_AND_DESC.get((code, desc)) or _BY_CODE.get(code)
