"""A wall switch of one or more channels, an endpoint each."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import ON_OFF, ON_OFF_STATE, basic, identify, on_off
from gatewayd.simulator.radio.endpoint import SimulatedEndpoint

_ON_OFF_LIGHT = 0x0100


class Switch(Device):
    def press(self, channel: int = 1) -> None:
        """A button is pressed: the channel toggles."""
        self.set_attribute(channel, ON_OFF, ON_OFF_STATE, 1 - self.int_value(channel, ON_OFF, ON_OFF_STATE))

    def is_on(self, channel: int = 1) -> bool:
        return bool(self.int_value(channel, ON_OFF, ON_OFF_STATE))


def switch(ieee: str, channels: int = 3) -> Description[Switch]:
    endpoints = tuple(
        SimulatedEndpoint(channel, _ON_OFF_LIGHT, (basic(f"SW{channels}"), identify(), on_off()))
        for channel in range(1, channels + 1)
    )
    return Description(ieee, endpoints, Switch)
