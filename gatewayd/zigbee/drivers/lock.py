"""Door locks (ZCL Door Lock 0x0101). Its events, log and PIN slots are `lock_device`'s business."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zigpy.zcl.clusters.closures import DoorLock as ZclDoorLock

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import LockParam
from gatewayd.model.request import LockOperation, Operate, OperateLock
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import BATTERY, AttributeReport, DeviceState, Driver, ZclCommand

DOOR_LOCK: Final = 0x0101
ALARMS: Final = 0x0009
_UNLOCK_WITH_TIMEOUT: Final = ZclDoorLock.ServerCommandDefs.unlock_with_timeout.id
_HELD_OPEN_S: Final = 0xFFFF  # ZCL's longest; the lock relocks after it, or when it is told to

_COMMANDS: Final[Mapping[LockOperation, int]] = MappingProxyType(
    {
        LockOperation.LOCK: ZclDoorLock.ServerCommandDefs.lock_door.id,
        LockOperation.UNLOCK: ZclDoorLock.ServerCommandDefs.unlock_door.id,
    }
)


def lock_state(raw: int) -> Scalar:
    """Lock State 0x0000 as `operate`: 1 locked → 0, 2 unlocked → 1; 0 not fully locked → 1."""
    return {0: 1, 1: 0, 2: 1}.get(raw)


def build_commands(action: Operate, state: DeviceState) -> tuple[ZclCommand, ...]:
    """Lock, Unlock, or Unlock with Timeout to hold open; with the PIN (text: zigpy would write the repr of bytes)."""
    if not isinstance(action, OperateLock):
        raise RefusedError(f"a lock cannot do {action}", OperationStatus.BAD_PARAMETERS)
    endpoint = state.channels[1]
    pin = () if action.pin is None else (action.pin,)
    effect = (Change("operate", action.operation.value),)
    if action.operation is LockOperation.HOLD_OPEN:
        return (ZclCommand(endpoint, DOOR_LOCK, _UNLOCK_WITH_TIMEOUT, (_HELD_OPEN_S, *pin), effect),)
    return (ZclCommand(endpoint, DOOR_LOCK, _COMMANDS[action.operation], pin, effect),)


DRIVER: Final = Driver(
    category=Category.LOCK,
    readings=(AttributeReport(DOOR_LOCK, 0x0000, "operate", lock_state, 0, 3600, 1), BATTERY),
    build_commands=build_commands,
    make_param=lambda count: LockParam(),
    write=(
        (DOOR_LOCK, 0x0020, True),  # enable logging: what happens while the gateway is away can be read later
        (DOOR_LOCK, 0x0040, 0xFFFF),  # alarm mask: all of them
    ),
    extra_bindings=(ALARMS,),
    has_lock_events=True,
)
