"""Door locks (ZCL Door Lock 0x0101). `door_lock` receives their events, reads their log and programs PIN codes."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from zigpy.zcl.clusters.closures import DoorLock
from zigpy.zcl.clusters.general import Alarms

from gatewayd.model.change import Change, Scalar
from gatewayd.model.errors import RefusedError
from gatewayd.model.ids import Category
from gatewayd.model.record import LockParam
from gatewayd.model.request import LockOperation, Operate, OperateLock
from gatewayd.model.status import OperationStatus
from gatewayd.zigbee.drivers.base import BATTERY, HOUR, AttributeReport, DeviceState, Driver, ZclCommand

_HOLD_OPEN_TIMEOUT_S: Final = 0xFFFF  # ZCL's longest; the lock locks after it, or when it receives Lock Door
_ALL_ALARMS: Final = 0xFFFF

_COMMANDS: Final[Mapping[LockOperation, int]] = MappingProxyType(
    {
        LockOperation.LOCK: DoorLock.ServerCommandDefs.lock_door.id,
        LockOperation.UNLOCK: DoorLock.ServerCommandDefs.unlock_door.id,
    }
)
_STATES: Final[Mapping[int, LockOperation]] = MappingProxyType(
    {
        DoorLock.LockState.Not_fully_locked: LockOperation.UNLOCK,
        DoorLock.LockState.Locked: LockOperation.LOCK,
        DoorLock.LockState.Unlocked: LockOperation.UNLOCK,
    }
)


def lock_state(raw: int) -> Scalar:
    """Lock State as the record's `operate`; None where it is undefined."""
    state = _STATES.get(raw)
    return None if state is None else state.value


def build_commands(action: Operate, state: DeviceState) -> tuple[ZclCommand, ...]:
    """Lock, Unlock, or Unlock with Timeout to hold open; with the PIN (text: zigpy would write the repr of bytes)."""
    if not isinstance(action, OperateLock):
        raise RefusedError(f"a lock cannot do {action}", OperationStatus.BAD_PARAMETERS)
    endpoint = state.channels[1]
    pin = () if action.pin is None else (action.pin,)
    effect = (Change("operate", action.operation.value),)
    shows = partial(_shows, expected=action.operation, former=getattr(state.param, "operate", None))
    if action.operation is LockOperation.HOLD_OPEN:
        command, args = DoorLock.ServerCommandDefs.unlock_with_timeout.id, (_HOLD_OPEN_TIMEOUT_S, *pin)
        return (ZclCommand(endpoint, DoorLock.cluster_id, command, args, effect, shows),)
    return (ZclCommand(endpoint, DoorLock.cluster_id, _COMMANDS[action.operation], pin, effect, shows),)


def _shows(change: Change, *, expected: LockOperation, former: object) -> bool | None:
    """Lock State says whether the bolt is in or out; of a bolt that was out already not whether it is held there."""
    if change.field != "operate" or change.value is None:
        return None
    if expected is not LockOperation.HOLD_OPEN:
        return change.value == expected.value
    if change.value == LockOperation.LOCK.value:
        return False
    return True if former == LockOperation.LOCK.value else None


DRIVER: Final = Driver(
    category=Category.LOCK,
    reports=(
        AttributeReport(
            DoorLock.cluster_id,
            DoorLock.AttributeDefs.lock_state.id,
            "operate",
            lock_state,
            min_interval_s=0,
            max_interval_s=HOUR,
            change=1,
        ),
        BATTERY,
    ),
    build_commands=build_commands,
    make_param=lambda count: LockParam(),
    writes=(
        (DoorLock.cluster_id, DoorLock.AttributeDefs.enable_logging.id, True),  # read after an absence of the gateway
        (DoorLock.cluster_id, DoorLock.AttributeDefs.alarm_mask.id, _ALL_ALARMS),
    ),
    extra_bindings=(Alarms.cluster_id,),
    has_lock_events=True,
)
