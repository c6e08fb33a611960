"""A battery sensor of temperature and humidity: it sleeps, and hears only when it asks its parent."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import BATTERY, BATTERY_PERCENTAGE, POWER, basic, identify, power
from gatewayd.simulator.radio.endpoint import Attribute, Cluster, SimulatedEndpoint
from gatewayd.simulator.radio.zcl import S16, U16

TEMPERATURE, HUMIDITY = 0x0402, 0x0405
_TEMPERATURE_SENSOR = 0x0302


class ClimateSensor(Device):
    def set(self, temperature: float | None = None, humidity: float | None = None, battery: int | None = None) -> None:
        """What it measures from now on: °C, % relative humidity, % of the battery."""
        if temperature is not None:
            self.put(1, TEMPERATURE, 0, round(temperature * 100))
        if humidity is not None:
            self.put(1, HUMIDITY, 0, round(humidity * 100))
        if battery is not None:
            self.put(1, POWER, BATTERY_PERCENTAGE, 2 * battery)


def climate_sensor(ieee: str, poll_interval_s: float = 5.0) -> Description[ClimateSensor]:
    measured = (
        Cluster(
            TEMPERATURE, (Attribute(0, S16, 2100, reportable=True), Attribute(1, S16, -4000), Attribute(2, S16, 8500))
        ),
        Cluster(HUMIDITY, (Attribute(0, U16, 5000, reportable=True), Attribute(1, U16, 0), Attribute(2, U16, 10000))),
    )
    endpoint = SimulatedEndpoint(1, _TEMPERATURE_SENSOR, (basic("TH1", BATTERY), power(), identify(), *measured))
    return Description(ieee, (endpoint,), ClimateSensor, poll_interval_s)
