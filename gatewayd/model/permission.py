"""Who may do what (§7): the seven levels and what each exectype asks for."""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from gatewayd.model.ids import ExecType


class Permission(IntEnum):
    """§7 Permission Definition. Each level includes those below it."""

    NONE = 1  # n        无权限
    QUERY = 2  # q       浏览
    CONTROL = 3  # qc    浏览 + 控制
    UPDATE = 4  # qcu    浏览 + 控制 + 更新
    AUTHORIZE = 5  # qcus  浏览 + 控制 + 更新 + 授权
    CREATE = 6  # qcusa  浏览 + 控制 + 更新 + 授权 + 创建
    DELETE = 7  # qcusad 浏览 + 控制 + 更新 + 授权 + 创建 + 删除


NEEDED: Final = MappingProxyType(
    {
        ExecType.QUERY: Permission.QUERY,
        ExecType.CONTROL: Permission.CONTROL,
        ExecType.UPDATE: Permission.UPDATE,
        ExecType.SET: Permission.UPDATE,
        ExecType.CREATE: Permission.CREATE,
        ExecType.DELETE: Permission.DELETE,
    }
)


def may(level: Permission, exectype: ExecType) -> bool:
    """True if a user of `level` may ask for `exectype`."""
    return level >= NEEDED[exectype]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user (by the name in his topics) may do with the device whose record has this id in the cloud (§2.2)."""

    user: str
    record_id: int
    level: Permission
