"""A wall switch of one or more channels, an endpoint each."""

from gatewayd.simulator.radio.device import Description, Device
from gatewayd.simulator.radio.devices.common import ON_OFF, basic, identify, on_off
from gatewayd.simulator.radio.endpoint import SimulatedEndpoint

_ON_OFF_SWITCH = 0x0100


class Switch(Device):
    def press(self, channel: int = 1) -> None:
        """Somebody pushes a button: the channel toggles."""
        self.put(channel, ON_OFF, 0, 1 - self.number(channel, ON_OFF, 0))

    def is_on(self, channel: int = 1) -> bool:
        return bool(self.number(channel, ON_OFF, 0))


def switch(ieee: str, channels: int = 3) -> Description[Switch]:
    endpoints = tuple(
        SimulatedEndpoint(channel, _ON_OFF_SWITCH, (basic(f"SW{channels}"), identify(), on_off()))
        for channel in range(1, channels + 1)
    )
    return Description(ieee, endpoints, Switch)
