"""A wall socket that switches and meters (ZCL 4.9, 10.4): power and voltage follow the load, energy adds up."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import ON_OFF, ON_OFF_STATE, basic, identify, on_off
from gatewayd.simulator.radio.endpoint import Attribute, AttributeKey, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import ENUM8, INT16, INT24, MAP8, MAP32, UINT16, UINT24, UINT48, Value

METERING, ELECTRICAL_MEASUREMENT = 0x0702, 0x0B04

CURRENT_SUMMATION_DELIVERED, STATUS, INSTANTANEOUS_DEMAND = 0x0000, 0x0200, 0x0400
UNIT_OF_MEASURE, MULTIPLIER, DIVISOR, SUMMATION_FORMATTING, METERING_DEVICE_TYPE = (
    0x0300,
    0x0301,
    0x0302,
    0x0303,
    0x0306,
)

MEASUREMENT_TYPE, RMS_VOLTAGE, RMS_CURRENT, ACTIVE_POWER = 0x0000, 0x0505, 0x0508, 0x050B
AC_VOLTAGE_MULTIPLIER, AC_VOLTAGE_DIVISOR = 0x0600, 0x0601
AC_CURRENT_MULTIPLIER, AC_CURRENT_DIVISOR = 0x0602, 0x0603
AC_POWER_MULTIPLIER, AC_POWER_DIVISOR = 0x0604, 0x0605

_KWH = 0
_SUMMATION_DIGITS = 0x2B
_ELECTRIC_METERING = 0
_ACTIVE_AND_PHASE_A_MEASUREMENT = 0x09
_SMART_PLUG = 0x0051
_DECIVOLTS_WITHOUT_LOAD = 2300
_WATTS_PER_DECIVOLT = 50
"""The voltage falls by 0.1 V for each 50 W."""
_J_PER_WH = 3600.0


class Socket(Device):
    """Attributes count 0.1 W, 0.1 V, 1 mA and 1 Wh, as their divisors say."""

    load_w = 0.0
    _energy_wh = 0.0
    _counted_at: float | None = None

    def plug_in(self, watts: float) -> None:
        """An appliance of this many watts is plugged in (0: pulled out)."""
        self._count_energy()
        self.load_w = watts
        self._measure()

    def is_on(self) -> bool:
        return bool(self.int_value(1, ON_OFF, ON_OFF_STATE))

    def set_attribute(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        switched = (cluster, attribute) == (ON_OFF, ON_OFF_STATE)
        if switched:
            self._count_energy()
        super().set_attribute(endpoint, cluster, attribute, value)
        if switched:
            self._measure()

    def refresh(self, key: AttributeKey) -> None:
        if key == (1, METERING, CURRENT_SUMMATION_DELIVERED):
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
        decivolts = _DECIVOLTS_WITHOUT_LOAD - round(watts / _WATTS_PER_DECIVOLT)
        self.set_attribute(1, ELECTRICAL_MEASUREMENT, ACTIVE_POWER, round(watts * 10))
        self.set_attribute(1, ELECTRICAL_MEASUREMENT, RMS_VOLTAGE, decivolts)
        self.set_attribute(1, ELECTRICAL_MEASUREMENT, RMS_CURRENT, round(watts * 10_000 / decivolts))
        self.set_attribute(1, METERING, INSTANTANEOUS_DEMAND, round(watts))
        self.set_attribute(1, METERING, CURRENT_SUMMATION_DELIVERED, int(self._energy_wh))


def _metering() -> Cluster:
    return Cluster(
        METERING,
        (
            Attribute(CURRENT_SUMMATION_DELIVERED, UINT48, 0, reportable=True),
            Attribute(STATUS, MAP8, 0),
            Attribute(UNIT_OF_MEASURE, ENUM8, _KWH),
            Attribute(MULTIPLIER, UINT24, 1),
            Attribute(DIVISOR, UINT24, 1000),
            Attribute(SUMMATION_FORMATTING, MAP8, _SUMMATION_DIGITS),
            Attribute(METERING_DEVICE_TYPE, MAP8, _ELECTRIC_METERING),
            Attribute(INSTANTANEOUS_DEMAND, INT24, 0, reportable=True),
        ),
    )


def _electrical_measurement() -> Cluster:
    return Cluster(
        ELECTRICAL_MEASUREMENT,
        (
            Attribute(MEASUREMENT_TYPE, MAP32, _ACTIVE_AND_PHASE_A_MEASUREMENT),
            Attribute(RMS_VOLTAGE, UINT16, _DECIVOLTS_WITHOUT_LOAD, reportable=True),
            Attribute(RMS_CURRENT, UINT16, 0, reportable=True),
            Attribute(ACTIVE_POWER, INT16, 0, reportable=True),
            Attribute(AC_VOLTAGE_MULTIPLIER, UINT16, 1),
            Attribute(AC_VOLTAGE_DIVISOR, UINT16, 10),
            Attribute(AC_CURRENT_MULTIPLIER, UINT16, 1),
            Attribute(AC_CURRENT_DIVISOR, UINT16, 1000),
            Attribute(AC_POWER_MULTIPLIER, UINT16, 1),
            Attribute(AC_POWER_DIVISOR, UINT16, 10),
        ),
    )


def socket(ieee: str) -> Description[Socket]:
    clusters = (basic("SK1"), identify(), on_off(), _metering(), _electrical_measurement())
    return Description(ieee, (SimulatedEndpoint(1, _SMART_PLUG, clusters),), Socket)
