"""A curtain motor (Window Covering, ZCL 7.4): 0 % is open, 100 % closed, and it takes a while to move."""

from enum import IntEnum

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import basic, identify
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.scheduler import ScheduledAction
from gatewayd.simulator.radio.zcl import ENUM8, MAP8, UINT8, ZclStatus, fields

WINDOW_COVERING = 0x0102
TYPE, CONFIG_STATUS, LIFT_PERCENTAGE, MODE = 0x0000, 0x0007, 0x0008, 0x0017

_DRAPERY = 0x04
_OPERATIONAL_AND_ONLINE_WITH_LIFT = 0x0B
_WINDOW_COVERING_DEVICE = 0x0202
_OPEN, _CLOSED = 0, 100
_STEP = 5


class WindowCoveringCommand(IntEnum):
    UP_OPEN = 0x00
    DOWN_CLOSE = 0x01
    STOP = 0x02
    GO_TO_LIFT_PERCENTAGE = 0x05


class Curtain(Device):
    """It moves, and reports, in steps of 5 %."""

    travel_s = 1.0
    """How long it takes from open to closed."""
    _next_step: ScheduledAction | None = None

    @property
    def position(self) -> int:
        """How far it is closed, in %."""
        return self.int_value(1, WINDOW_COVERING, LIFT_PERCENTAGE)

    def is_moving(self) -> bool:
        return self._next_step is not None

    def go_to(self, target: int) -> None:
        """Start to move to a position."""
        self.stop()
        if target != self.position:
            self._next_step = self.network.scheduler.after(self.travel_s * _STEP / 100, lambda: self._step(target))

    def stop(self) -> None:
        if self._next_step is not None:
            self._next_step.cancel()
            self._next_step = None

    def pull(self, position: int) -> None:
        """It is pulled by hand."""
        self.stop()
        self.set_attribute(1, WINDOW_COVERING, LIFT_PERCENTAGE, position)

    def _step(self, target: int) -> None:
        self._next_step = None
        distance = target - self.position
        position = self.position + max(-_STEP, min(_STEP, distance))
        self.set_attribute(1, WINDOW_COVERING, LIFT_PERCENTAGE, position)
        self.go_to(target)


def _open(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.go_to(_OPEN)
    return ZclStatus.SUCCESS


def _close(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.go_to(_CLOSED)
    return ZclStatus.SUCCESS


def _stop(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.stop()
    return ZclStatus.SUCCESS


def _go_to_lift_percentage(device: Curtain, endpoint: int, payload: bytes) -> int:
    (target,) = fields("B", payload)
    if target > _CLOSED:
        return ZclStatus.INVALID_VALUE
    device.go_to(target)
    return ZclStatus.SUCCESS


def curtain(ieee: str) -> Description[Curtain]:
    covering = Cluster(
        WINDOW_COVERING,
        (
            Attribute(TYPE, ENUM8, _DRAPERY),
            Attribute(CONFIG_STATUS, MAP8, _OPERATIONAL_AND_ONLINE_WITH_LIFT),
            Attribute(LIFT_PERCENTAGE, UINT8, _OPEN, reportable=True),
            Attribute(MODE, MAP8, 0, writable=True),
        ),
        {
            WindowCoveringCommand.UP_OPEN: _open,
            WindowCoveringCommand.DOWN_CLOSE: _close,
            WindowCoveringCommand.STOP: _stop,
            WindowCoveringCommand.GO_TO_LIFT_PERCENTAGE: _go_to_lift_percentage,
        },
    )
    clusters = (basic("CU1"), identify(), covering)
    return Description(ieee, (SimulatedEndpoint(1, _WINDOW_COVERING_DEVICE, clusters),), Curtain)
