"""A sleepy battery sensor of temperature and humidity (ZCL 4.4, 4.7)."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import (
    BATTERY_PERCENTAGE,
    POWER_CONFIGURATION,
    PowerSource,
    basic,
    identify,
    power_configuration,
)
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import INT16, UINT16, DataType

TEMPERATURE, HUMIDITY = 0x0402, 0x0405
MEASURED_VALUE, MIN_MEASURED_VALUE, MAX_MEASURED_VALUE = 0x0000, 0x0001, 0x0002
_TEMPERATURE_SENSOR = 0x0302


class ClimateSensor(Device):
    """Measured values are in hundredths of °C and of % relative humidity."""

    def set(self, temperature: float | None = None, humidity: float | None = None, battery: int | None = None) -> None:
        """What it measures from now on: °C, % relative humidity, % of the battery."""
        if temperature is not None:
            self.set_attribute(1, TEMPERATURE, MEASURED_VALUE, round(temperature * 100))
        if humidity is not None:
            self.set_attribute(1, HUMIDITY, MEASURED_VALUE, round(humidity * 100))
        if battery is not None:
            self.set_attribute(1, POWER_CONFIGURATION, BATTERY_PERCENTAGE, 2 * battery)


def _measurement(cluster: int, type_: DataType, value: int, limits: tuple[int, int]) -> Cluster:
    least, most = limits
    return Cluster(
        cluster,
        (
            Attribute(MEASURED_VALUE, type_, value, reportable=True),
            Attribute(MIN_MEASURED_VALUE, type_, least),
            Attribute(MAX_MEASURED_VALUE, type_, most),
        ),
    )


def climate_sensor(ieee: str, poll_interval_s: float = 5.0) -> Description[ClimateSensor]:
    clusters = (
        basic("TH1", PowerSource.BATTERY),
        power_configuration(),
        identify(),
        _measurement(TEMPERATURE, INT16, 2100, (-4000, 8500)),
        _measurement(HUMIDITY, UINT16, 5000, (0, 10000)),
    )
    return Description(ieee, (SimulatedEndpoint(1, _TEMPERATURE_SENSOR, clusters),), ClimateSensor, poll_interval_s)
