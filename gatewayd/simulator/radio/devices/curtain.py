"""A curtain motor (Window Covering): 0 % is open, 100 % closed, and the way between takes its time."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import basic, identify
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.scheduler import ScheduledAction
from gatewayd.simulator.radio.zcl import ENUM8, INVALID_VALUE, MAP8, SUCCESS, U8, fields

COVERING, POSITION = 0x0102, 0x0008
_WINDOW_COVERING = 0x0202
_OPEN, _CLOSED = 0, 100
_STEP = 5


class Curtain(Device):
    travel_s = 1.0
    """From open to closed."""
    _moving: ScheduledAction | None = None

    @property
    def position(self) -> int:
        """How far it is closed, in %."""
        return self.number(1, COVERING, POSITION)

    def moves(self) -> bool:
        return self._moving is not None

    def go_to(self, target: int) -> None:
        self.stop()
        if target != self.position:
            self._moving = self.network.scheduler.after(self.travel_s * _STEP / 100, lambda: self._step(target))

    def stop(self) -> None:
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None

    def pull(self, position: int) -> None:
        """Somebody pulls it by hand."""
        self.stop()
        self.put(1, COVERING, POSITION, position)

    def _step(self, target: int) -> None:
        self._moving = None
        way = target - self.position
        self.put(1, COVERING, POSITION, self.position + max(-_STEP, min(_STEP, way)))
        self.go_to(target)


def _open(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.go_to(_OPEN)
    return SUCCESS


def _close(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.go_to(_CLOSED)
    return SUCCESS


def _stop(device: Curtain, endpoint: int, payload: bytes) -> int:
    device.stop()
    return SUCCESS


def _go_to_percentage(device: Curtain, endpoint: int, payload: bytes) -> int:
    (target,) = fields("B", payload)
    if target > _CLOSED:
        return INVALID_VALUE
    device.go_to(target)
    return SUCCESS


def curtain(ieee: str) -> Description[Curtain]:
    covering = Cluster(
        COVERING,
        (
            Attribute(0x0000, ENUM8, 0x04),
            Attribute(0x0007, MAP8, 0x0B),
            Attribute(POSITION, U8, _OPEN, reportable=True),
            Attribute(0x0017, MAP8, 0, writable=True),
        ),
        {0x00: _open, 0x01: _close, 0x02: _stop, 0x05: _go_to_percentage},
    )
    return Description(ieee, (SimulatedEndpoint(1, _WINDOW_COVERING, (basic("CU1"), identify(), covering)),), Curtain)
