"""A wall socket that switches and meters: power and voltage follow the load, energy adds up over time."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import ON_OFF, basic, identify, on_off
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import ENUM8, MAP8, MAP32, S16, S24, U16, U24, U48, Value

METERING, ELECTRICAL = 0x0702, 0x0B04
SUMMATION, DEMAND = 0x0000, 0x0400
VOLTAGE, CURRENT, ACTIVE_POWER = 0x0505, 0x0508, 0x050B
_SMART_PLUG = 0x0051
_OPEN_VOLTAGE = 2300
_J_PER_WH = 3600.0


class Socket(Device):
    """Attributes count 0.1 W, 0.1 V, 1 mA and 1 Wh; their divisors say so."""

    load_w = 0.0
    _energy_wh = 0.0
    _counted_at: float | None = None

    def plug_in(self, watts: float) -> None:
        """An appliance of this many watts is plugged in (0: pulled out)."""
        self._count_energy()
        self.load_w = watts
        self._measure()

    def is_on(self) -> bool:
        return bool(self.number(1, ON_OFF, 0))

    def put(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        switched = (cluster, attribute) == (ON_OFF, 0)
        if switched:
            self._count_energy()
        super().put(endpoint, cluster, attribute, value)
        if switched:
            self._measure()

    def refresh(self, key: AttributeKey) -> None:
        if key == (1, METERING, SUMMATION):
            self._count_energy()
            self.values[key] = int(self._energy_wh)

    def _drawn_w(self) -> float:
        return self.load_w if self.is_on() else 0.0

    def _count_energy(self) -> None:
        now = self.network.scheduler.now()
        if self._counted_at is not None:
            self._energy_wh += self._drawn_w() * (now - self._counted_at) / _J_PER_WH
        self._counted_at = now

    def _measure(self) -> None:
        watts = self._drawn_w()
        volts = _OPEN_VOLTAGE - round(watts / 50)
        self.put(1, ELECTRICAL, ACTIVE_POWER, round(watts * 10))
        self.put(1, ELECTRICAL, VOLTAGE, volts)
        self.put(1, ELECTRICAL, CURRENT, round(watts * 10_000 / volts))
        self.put(1, METERING, DEMAND, round(watts))
        self.put(1, METERING, SUMMATION, int(self._energy_wh))


def _metering() -> Cluster:
    return Cluster(
        METERING,
        (
            Attribute(SUMMATION, U48, 0, reportable=True),
            Attribute(0x0200, MAP8, 0),
            Attribute(0x0300, ENUM8, 0),  # kWh, in thousandths
            Attribute(0x0301, U24, 1),
            Attribute(0x0302, U24, 1000),
            Attribute(0x0303, MAP8, 0x2B),
            Attribute(0x0306, MAP8, 0),
            Attribute(DEMAND, S24, 0, reportable=True),
        ),
    )


def _electrical() -> Cluster:
    return Cluster(
        ELECTRICAL,
        (
            Attribute(0x0000, MAP32, 0x09),
            Attribute(VOLTAGE, U16, _OPEN_VOLTAGE, reportable=True),
            Attribute(CURRENT, U16, 0, reportable=True),
            Attribute(ACTIVE_POWER, S16, 0, reportable=True),
            Attribute(0x0600, U16, 1),
            Attribute(0x0601, U16, 10),
            Attribute(0x0602, U16, 1),
            Attribute(0x0603, U16, 1000),
            Attribute(0x0604, U16, 1),
            Attribute(0x0605, U16, 10),
        ),
    )


def socket(ieee: str) -> Description[Socket]:
    endpoint = SimulatedEndpoint(1, _SMART_PLUG, (basic("SK1"), identify(), on_off(), _metering(), _electrical()))
    return Description(ieee, (endpoint,), Socket)
