"""Door locks (ZCL Door Lock 0x0101). Its events, log and PIN slots are `lock_device`'s business."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gatewayd.model.change import Change, Scalar
from gatewayd.model.ids import Category
from gatewayd.model.record import LockParam
from gatewayd.model.request import Operate
from gatewayd.zigbee.drivers.base import BATTERY, AttributeReport, DeviceState, Driver, ZclCommand

DOOR_LOCK: Final = 0x0101
ALARMS: Final = 0x0009
_UNLOCK_WITH_TIMEOUT: Final = 0x03
_HELD_OPEN_S: Final = 0xFFFF  # ZCL's longest; the lock relocks after it, or when it is told to

# The API's `operate` and ZCL's command: lock, unlock.
_COMMANDS: Final[Mapping[int, int]] = MappingProxyType({0: 0x00, 1: 0x01})


def lock_state(raw: int) -> Scalar:
    """Lock State 0x0000 as `operate`: 1 locked → 0, 2 unlocked → 1; 0 not fully locked → 1."""
    return {0: 1, 1: 0, 2: 1}.get(raw)


def build_commands(asked: Operate, situation: DeviceState) -> tuple[ZclCommand, ...]:
    """Lock, unlock, or hold open; with the PIN where the lock wants one (text: zigpy writes bytes' repr otherwise)."""
    endpoint = situation.channels[1]
    pin = () if asked.pin is None else (asked.pin,)
    effect = (Change("operate", asked.operate),)
    if asked.operate == 2:
        return (ZclCommand(endpoint, DOOR_LOCK, _UNLOCK_WITH_TIMEOUT, (_HELD_OPEN_S, *pin), effect),)
    return (ZclCommand(endpoint, DOOR_LOCK, _COMMANDS[asked.operate], pin, effect),)


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
