"""Permissions (§7): the seven levels, and the level that each exectype requires."""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from gatewayd.model.ids import ExecType


class Permission(IntEnum):
    """§7 Permission Definition. Each level includes those below it."""

    # fmt: off
    DELETE    = 7  # qcusad  浏览 + 控制 + 更新 + 授权 + 创建 + 删除
    CREATE    = 6  # qcusa   浏览 + 控制 + 更新 + 授权 + 创建
    AUTHORIZE = 5  # qcus    浏览 + 控制 + 更新 + 授权
    UPDATE    = 4  # qcu     浏览 + 控制 + 更新
    CONTROL   = 3  # qc      浏览 + 控制
    QUERY     = 2  # q       浏览
    NONE      = 1  # n       无权限
    # fmt: on


REQUIRED_LEVEL: Final = MappingProxyType(
    {
        ExecType.QUERY: Permission.QUERY,
        ExecType.CONTROL: Permission.CONTROL,
        ExecType.UPDATE: Permission.UPDATE,
        ExecType.SET: Permission.UPDATE,
        ExecType.CREATE: Permission.CREATE,
        ExecType.DELETE: Permission.DELETE,
    }
)
"""The lowest level that may send a request of this exectype."""


def is_allowed(level: Permission, exectype: ExecType) -> bool:
    """True if a user of `level` may send a request of `exectype`."""
    return level >= REQUIRED_LEVEL[exectype]


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission of one user on one device (§2.2): `user` is the name in his topics, `record_id` the cloud's id of
    the device's record.
    """

    user: str
    record_id: int
    level: Permission
